// What is told of one task. Names and errors are set as text, never as markup.

class Details {
  constructor() {
    this.box = document.querySelector(".details");
  }

  show({run, range}, at, x, y, others) {
    this.box.replaceChildren(...this.lines(run, at, others, range.zero));
    this.box.hidden = false;
    const {width, height} = this.box.getBoundingClientRect();
    const left = x + 14 + width < innerWidth ? x + 14 : x - 14 - width;
    const top = y + 18 + height < innerHeight ? y + 18 : y - 14 - height;
    this.box.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
  }

  hide() {
    this.box.hidden = true;
  }

  lines(run, at, others, zero) {
    const status = STATUSES[run.status[at]];
    const took = inSeconds(run.duration[at]);
    const start = inSeconds(Math.max(0, run.start[at] - zero));
    const found = [line("b", title(run, at))];
    const ended = IN_WORDS[status] ?? status;
    found.push(line("p", status === "running" ? `${ended}, for ${took}` : `${ended}, took ${took}`));
    if (run.count[at] > 1) {
      found.push(line("p", `one batch; ${inSeconds(run.duration[at] / run.count[at])} a task`));
    } else {
      found.push(line("p", `attempt ${run.attempt[at]}`));
    }
    found.push(line("p", `began at ${start}, ${run.rows[run.row[at]].name}`));
    const trouble = run.trouble.get(at);
    if (trouble) {
      found.push(line("div", trouble.error, "error"));
      if (trouble.wait !== null) found.push(line("p", `tried again ${inSeconds(trouble.wait * 1e6)} later`));
    }
    if (others > 0) found.push(line("p", `and ${others.toLocaleString("en")} more here: zoom in`));
    return found;
  }
}

function line(kind, text, name = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  made.className = name;
  return made;
}
