// The page's own script: copying, drawing the charts, zooming them, and keeping them readable in light and dark.
// Bokeh's models are found by the names that charts.py gave them.
(() => {
  "use strict";

  const LABEL_CHAR_PX = 6.4;
  const holder = document.getElementById("charts");
  const data = document.getElementById("charts-data");
  let charts = null; // the Bokeh document, once drawn

  const named = (name) => (charts === null ? null : charts.get_model_by_name(name));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // ---- copying; the clipboard may be closed to pages opened from a file

  function copyByHand(text) {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }

  async function copy(button) {
    const text = document.getElementById(button.dataset.copy).textContent;
    let done;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      done = copyByHand(text);
    }
    const label = button.textContent;
    button.textContent = done ? "copied" : "select and copy by hand";
    setTimeout(() => { button.textContent = label; }, 1500);
  }

  // ---- zooming

  function zoom(button) {
    const range = named("time");
    if (range === null) return;
    range.setv({ start: Number(button.dataset.from), end: Number(button.dataset.to) });
    if (button.closest("#timeline")) return;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.getElementById("timeline").scrollIntoView({ behavior: still ? "instant" : "smooth" });
  }

  function zoomBy(factor) {
    const range = named("time");
    if (range === null) return;
    const middle = (range.start + range.end) / 2;
    const half = (range.end - range.start) / 2 * factor;
    const [least, most] = range.bounds;
    range.setv({ start: Math.max(least, middle - half), end: Math.min(most, middle + half) });
  }

  // ---- labels of faults: as much of each as fits into the part of its bar that is in view

  function fitLabels() {
    const chart = named("fault-chart");
    const range = named("time");
    const faults = named("faults");
    const labels = named("fault-labels");
    if (!chart || !range || !faults || !labels || !chart.inner_width) return;
    const pixels = chart.inner_width / (range.end - range.start);
    const x = [];
    const text = [];
    for (let i = 0; i < faults.data.label.length; i += 1) {
      const from = Math.max(faults.data.start[i], range.start);
      const to = Math.min(faults.data.stop[i], range.end);
      const room = Math.floor(((to - from) * pixels - 10) / LABEL_CHAR_PX);
      const label = faults.data.label[i];
      x.push(from);
      text.push(room >= label.length ? label : room >= 2 ? `${label.slice(0, room - 1)}…` : "");
    }
    labels.data = { x, y: Array.from(faults.data.row), text };
  }

  function onceAFrame(work) {
    let waiting = false;
    return () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; work(); });
    };
  }

  // ---- light and dark

  function paint() {
    if (charts === null) return;
    const ink = colour("--ink");
    const soft = colour("--soft");
    for (const model of charts.all_models) {
      if (model.type.endsWith("Axis")) {
        model.setv({ major_label_text_color: soft, axis_label_text_color: soft, major_tick_line_color: soft });
      } else if (model.type === "Title") {
        model.setv({ text_color: ink });
      } else if (model.type === "Grid") {
        model.setv({ grid_line_color: soft });
      }
    }
  }

  // ---- drawing

  async function draw() {
    const item = JSON.parse(data.textContent);
    holder.textContent = "";
    const views = await Bokeh.embed.embed_item(item, holder);
    charts = (views.roots ?? Array.from(views))[0].model.document;
    paint();
    const fit = onceAFrame(fitLabels);
    for (const property of ["start", "end"]) named("time").properties[property].change.connect(fit);
    const chart = named("fault-chart");
    if (chart !== null) chart.properties.inner_width.change.connect(fit);
    fit();
    document.documentElement.dataset.charts = "drawn";
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button === null) return;
    if ("copy" in button.dataset) copy(button);
    if ("from" in button.dataset) zoom(button);
    if ("zoom" in button.dataset) zoomBy(Number(button.dataset.zoom));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  if (data !== null) {
    draw().catch((error) => {
      document.documentElement.dataset.charts = "failed";
      holder.textContent = `The charts could not be drawn: ${error}`;
      console.error(error);
    });
  }
})();
