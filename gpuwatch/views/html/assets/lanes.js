"use strict";
// The timeline: aligned lanes over one axis of time, read again at every zoom.
(() => {
  const index = JSON.parse(document.getElementById("lane-index").textContent);
  const root = document.documentElement;
  if (!index.families.length || !("DecompressionStream" in window)) return;

  const LEFT = 62, RIGHT = 10, BOTTOM = 30, LEAST = index.seconds * 1e-6;
  const words = figures(index.seconds), { clamp } = words;
  const state = {
    shown: new Set(index.families.map((family, at) => (family.shown ? at : -1)).filter((at) => at >= 0)),
    unfolded: new Set(),
    range: [0, index.seconds],
    finding: null,
    cursor: null,
  };
  if (!state.shown.size) index.families.slice(0, 6).forEach((_, at) => state.shown.add(at));
  const make = (tag, name, text) => Object.assign(document.createElement(tag), { className: name || "", textContent: text || "" });
  const host = document.getElementById("lanes"), plot = Object.assign(make("div"), { id: "plot", tabIndex: 0 });
  const heads = make("div"), cursor = make("div", "cursor"), clock = make("i"), chosen = make("div", "chosen");
  const drawing = laneDrawing({ left: LEFT, right: RIGHT, bottom: BOTTOM, words });
  let reader = null, laid = null;

  const wide = () => plot.clientWidth - LEFT - RIGHT;
  const timeAt = (event) => drawing.timeAt(clamp(event.clientX - plot.getBoundingClientRect().left, LEFT, LEFT + wide()));

  function draw() {
    for (const row of laid.rows) reader.read(row, state.range, wide());
    const windows = state.finding === null ? [] : index.findings[state.finding].windows;
    plot.style.height = `${laid.height + BOTTOM}px`;
    drawing.draw({ ...laid, windows, marks: index.marks, range: state.range, width: plot.clientWidth });
    [plot.dataset.from, plot.dataset.to] = state.range;
    drawHeads();
  }

  function layAndDraw() {
    laid = reader.lay(state);
    draw();
  }

  function drawHeads() {
    heads.replaceChildren(...laid.rows.map((row) => {
      const lit = state.finding !== null && index.findings[state.finding].families.includes(row.family.name);
      const head = make("div", `lane-head${state.finding === null ? "" : lit ? " lit" : " dim"}`);
      head.style.top = `${row.headTop}px`;
      row.now = make("span", "", reader.about(row));
      head.append(make("b", "", reader.title(row)), row.now);
      return head;
    }));
  }

  // Zoom and cursor.

  function zoom(from, to) {
    const width = clamp(to - from, LEAST, index.seconds);
    const start = clamp(from, 0, index.seconds - width);
    state.range = [start, start + width];
    point(null);
    draw();
  }

  function around(center, factor) {
    const [from, to] = state.range;
    zoom(center - (center - from) * factor, center + (to - center) * factor);
  }

  function point(x, pointed) {
    state.cursor = x;
    cursor.style.display = x === null ? "none" : "block";
    for (const row of laid.rows) {
      if (!row.now) continue;
      row.now.className = x === null ? "" : "now";
      row.now.textContent = x === null ? reader.about(row) : reader.valueAt(row, x, state.range, pointed?.row === row ? pointed.at : undefined);
    }
    if (x === null) return;
    cursor.style.left = `${LEFT + drawing.across(x)}px`;
    clock.textContent = words.moment(x, (state.range[1] - state.range[0]) / 500);
  }

  function rowAt(y) {
    const row = laid.rows.find((one) => one.kind === "strip" && y >= one.top && y < one.top + one.height);
    return row && { row, at: Math.min(row.members.length - 1, Math.floor(((y - row.top) / row.height) * row.members.length)) };
  }

  function listen() {
    plot.addEventListener("pointermove", (event) => {
      const box = plot.getBoundingClientRect(), x = event.clientX - box.left - LEFT;
      if (x < 0 || x > wide()) return point(null);
      point(timeAt(event), rowAt(event.clientY - box.top));
    });
    plot.addEventListener("pointerleave", () => point(null));
    plot.addEventListener("dblclick", () => zoom(0, index.seconds));
    plot.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      around(state.cursor ?? (state.range[0] + state.range[1]) / 2, event.deltaY > 0 ? 1.25 : 0.8);
    }, { passive: false });
    plot.addEventListener("keydown", key);
    drag();
    let width = plot.clientWidth;
    new ResizeObserver(() => {
      if (plot.clientWidth === width || !plot.clientWidth) return;
      width = plot.clientWidth;
      draw();
    }).observe(plot);
    document.addEventListener("themechange", draw);
  }

  // Dragging with a mouse chooses a stretch; a finger scrolls the page.
  function drag() {
    let begun = null;
    const span = (event) => [begun, timeAt(event)].sort((a, b) => a - b);
    const show = (left, width) => Object.assign(chosen.style, { left: `${left}px`, width: `${width}px`, display: width ? "block" : "none" });
    plot.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button) return;
      begun = timeAt(event);
      plot.setPointerCapture(event.pointerId);
    });
    plot.addEventListener("pointermove", (event) => {
      if (begun === null) return;
      const [a, b] = span(event).map(drawing.across);
      show(LEFT + a, b - a);
    });
    plot.addEventListener("pointerup", (event) => {
      if (begun === null) return;
      const [a, b] = span(event);
      begun = null;
      show(0, 0);
      if (drawing.across(b) - drawing.across(a) > 4) zoom(a, b);
    });
    plot.addEventListener("pointercancel", () => {
      begun = null;
      show(0, 0);
    });
  }

  function key(event) {
    const [from, to] = state.range, width = to - from, middle = state.cursor ?? (from + to) / 2;
    const acts = {
      ArrowRight: () => point(clamp(middle + width / 100, from, to)),
      ArrowLeft: () => point(clamp(middle - width / 100, from, to)),
      PageDown: () => zoom(from + width / 2, to + width / 2),
      PageUp: () => zoom(from - width / 2, to - width / 2),
      "+": () => around(middle, 0.5), "=": () => around(middle, 0.5), "-": () => around(middle, 2),
      0: () => zoom(0, index.seconds), Escape: () => (point(null), mark(null)),
    };
    if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[event.key]();
  }

  // Controls: which lanes, unfolding, zoom, and the findings' evidence.

  function button(text, label, act) {
    const made = Object.assign(make("button", "", text), { type: "button" });
    if (label) made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }

  function controls() {
    const bar = document.getElementById("controls");
    index.families.forEach((family, at) => {
      const chip = button(family.title, `Lane ${family.title}`, () => {
        if (!state.shown.delete(at)) state.shown.add(at);
        chip.setAttribute("aria-pressed", state.shown.has(at));
        layAndDraw();
      });
      chip.classList.add("chip");
      chip.setAttribute("aria-pressed", state.shown.has(at));
      family.chip = chip;
      bar.append(chip);
    });
    const zooms = make("span", "zooms");
    bar.append(make("span", "space"), zooms);
    if (index.families.some((family) => family.kind === "line" && family.members.length > reader.MANY)) {
      const fold = button("Unfold all", "Show every GPU and rank as a lane of its own", () => {
        const folded = !state.unfolded.size;
        state.unfolded = new Set(folded ? index.families.map((_, at) => at) : []);
        fold.textContent = folded ? "Fold" : "Unfold all";
        layAndDraw();
      });
      zooms.append(fold);
    }
    const middle = () => (state.range[0] + state.range[1]) / 2;
    zooms.append(button("+", "Zoom in", () => around(middle(), 0.5)), button("−", "Zoom out", () => around(middle(), 2)), button("All", "Show the whole run", () => zoom(0, index.seconds)));
    bar.hidden = false;
  }

  function mark(at) {
    state.finding = at;
    for (const show of document.querySelectorAll(".show")) {
      const pressed = at !== null && Number(show.dataset.finding) === at + 1;
      show.setAttribute("aria-pressed", pressed);
      show.textContent = pressed ? "Shown on the timeline" : "Show on the timeline";
    }
    if (at !== null) {
      index.families.forEach((family, nth) => {
        if (!index.findings[at].families.includes(family.name)) return;
        state.shown.add(nth);
        family.chip.setAttribute("aria-pressed", "true");
      });
    }
    layAndDraw();
  }

  function findings() {
    for (const show of document.querySelectorAll(".show")) {
      const at = Number(show.dataset.finding) - 1;
      show.hidden = false;
      show.addEventListener("click", () => {
        const again = state.finding === at;
        mark(again ? null : at);
        if (!again) document.getElementById("timeline").scrollIntoView();
      });
    }
  }

  async function start() {
    reader = laneRows(index, words, await laneStore.inflate("lane-data"));
    plot.setAttribute("role", "application");
    plot.setAttribute("aria-label", "Timeline. Left and right move the cursor, plus and minus zoom, zero shows all.");
    cursor.append(clock);
    plot.append(drawing.svg, drawing.strips, heads, chosen, cursor);
    host.append(plot);
    controls();
    root.classList.add("ready");
    layAndDraw();
    listen();
    findings();
    // Ready: drawn, painted, and every control answers.
    requestAnimationFrame(() => setTimeout(() => (root.dataset.readyMs = Math.round(performance.now()))));
  }

  start().catch((error) => {
    plot.remove();
    root.classList.remove("ready");
    console.error(error);
  });
})();
