// The picture of messages: lays the data of ``harness.report.sequence`` out and draws it as one SVG.
// What is shown is the reader's choice, so rows are ranked here, again after each choice. Text from the data is only ever
// set as text.
(() => {
  "use strict";

  const holder = document.getElementById("sequence-data");
  if (holder === null) return;
  const data = JSON.parse(holder.textContent);
  const section = document.getElementById("sequence");
  const frame = document.getElementById("sequence-frame");
  const colours = JSON.parse(frame.dataset.colours);

  const RULER = 92;
  const BAND = 19;
  const MARGIN = 168;
  const CLIENT = 132;
  const OTHERS = 100;
  const NODE_LEAST = 118;
  const NODE_MOST = 200;
  const CUT = 46;
  const BREAK = 20;
  const PILL = 15;
  const EDGE = 17;
  const CHAR = 5.9;
  const ROW_LEAST = 4;
  const ROW_MOST = 60;
  const LABELS_FROM = 10; // px of a row: below, only what is followed is labelled

  const state = { level: 1, choice: data.choices.length ? data.choices[0].number : 0, row: 16, linear: false, query: "" };
  let shown = null; // what is drawn now
  let here = -1; // place, in shown.order, of the event that is looked at

  // ---- data

  const followed = (item) => (item.anomalies ?? []).some((number) => state.choice === 0 || number === state.choice);
  const receipts = (item) => item.receipts ?? [];
  const level = (item) => item.level ?? 1;
  const visible = (item) => followed(item) || (state.level > 0 && level(item) <= state.level);
  const body = (item) => data.bodies[item.body ?? 0];
  const inside = (at) => data.segments.some((part) => part.start <= at && at <= part.stop);
  const seconds = (ns, digits = 6) => `${(ns / 1e9).toFixed(digits)} s`;
  const runTime = (at) => seconds(at - data.zero).replace("-", "−");
  const length = (ns) => (ns >= 9.995e8 ? `${(ns / 1e9).toFixed(2)} s` : ns >= 1e6 ? `${(ns / 1e6).toPrecision(3)} ms` : `${(ns / 1e3).toFixed(0)} µs`);

  function words(item) {
    const said = [item.label ?? item.text, item.lane ?? "", item.source ?? "", item.target ?? "", item.fate ?? "", body(item)];
    return said.join(" ").toLowerCase();
  }
  const matches = (item) => state.query !== "" && words(item).includes(state.query);

  // ---- where everything is

  function lanesOf(bars) {
    const clients = new Set(bars.map((bar) => bar.lane));
    const lanes = data.lanes.filter((lane) => lane.kind !== "client" || clients.has(lane.key));
    const needed = lanes.filter((lane) => lane.kind !== "others" || state.level > 0);
    const columns = columnsOf(data.bands);
    const left = RULER + BAND * columns.width + 14;
    const fixed = needed.reduce((sum, lane) => sum + (lane.kind === "client" ? CLIENT : lane.kind === "others" ? OTHERS : 0), 0);
    const nodes = needed.filter((lane) => lane.kind === "node").length;
    const room = (frame.clientWidth - left - fixed - MARGIN / 2) / Math.max(1, nodes);
    const node = Math.max(NODE_LEAST, Math.min(NODE_MOST, room));
    const at = new Map();
    let x = left;
    for (const lane of needed) {
      const wide = lane.kind === "client" ? CLIENT : lane.kind === "others" ? OTHERS : node;
      at.set(lane.key, { ...lane, x: x + (lane.kind === "client" ? 24 : wide / 2), from: x, to: x + wide });
      x += wide;
    }
    return { at, columns, left, node, width: x + MARGIN / 2 };
  }

  function columnsOf(bands) {
    const ends = [];
    const of = new Map();
    for (const band of [...bands].sort((a, b) => a.start - b.start)) {
      let column = ends.findIndex((end) => end <= band.start);
      if (column < 0) column = ends.push(0) - 1;
      ends[column] = band.stop;
      of.set(band, column);
    }
    return { of, width: ends.length };
  }

  function rowsOf(messages, marks, bars) {
    const room = new Map(); // time: px it needs beyond a row
    const take = (at, more = 0) => {
      if (inside(at)) room.set(at, Math.max(room.get(at) ?? 0, more));
    };
    for (const message of messages) {
      take(message.at, receipts(message).length || state.row < LABELS_FROM ? 0 : 14);
      for (const receipt of receipts(message)) take(receipt.at);
    }
    const stacks = new Map();
    for (const mark of marks) {
      if (isPill(mark)) {
        const place = `${mark.lane} ${mark.at}`;
        stacks.set(place, (stacks.get(place) ?? 0) + 1);
        take(mark.at, PILL * (stacks.get(place) - 1) + 3);
      } else take(mark.at, mark.kind === "broken" ? 22 : 0);
    }
    for (const bar of bars) { take(bar.start); if (bar.stop) take(bar.stop, 4); }
    const edges = new Map(); // time: sentences above it
    for (const { at, text } of edgesOf()) {
      take(at);
      edges.set(at, [...(edges.get(at) ?? []), text]);
    }
    if (state.level > 0) for (const part of data.segments) { take(part.start); take(part.stop); }
    const times = [...room.keys()].sort((a, b) => a - b);
    return { times, room, edges };
  }

  function edgesOf() {
    const ends = data.bands.filter((band) => band.healed !== false);
    return [
      ...data.bands.map((band) => ({ at: band.start, text: `#${band.number} ${band.text} begins` })),
      ...ends.map((band) => ({ at: band.stop, text: `#${band.number} ${band.text} is healed` })),
    ].filter((edge) => inside(edge.at));
  }

  function scaleOf(times, room, edges) {
    const gaps = times.slice(1).map((at, i) => at - times[i]);
    const usual = [...gaps].sort((a, b) => a - b)[gaps.length >> 1] ?? 0;
    const span = data.segments.reduce((sum, part) => sum + part.stop - part.start, 0);
    const pixels = span > 0 ? (times.length * state.row) / span : 0;
    const ys = [];
    const breaks = [];
    const cuts = [];
    const left = state.level > 0 ? [...data.cuts] : []; // what is not asked for is not missing
    let y = 32;
    if (left.length && left[0].stop <= (times[0] ?? 0)) { cuts.push({ cut: left.shift(), y }); y += CUT; }
    times.forEach((at, i) => {
      if (i > 0) {
        const before = times[i - 1];
        if (left.length && left[0].start >= before && left[0].stop <= at) {
          cuts.push({ cut: left.shift(), y: y + state.row / 2 });
          y += CUT;
        } else if (state.linear) {
          y += (at - before) * pixels - state.row;
        } else if (at - before > Math.max(3e6, usual * 25)) {
          breaks.push({ gap: at - before, y: y + state.row / 2 });
          y += BREAK;
        }
        y += state.row + (state.linear ? 0 : room.get(before));
      }
      if (!state.linear) y += EDGE * (edges.get(at)?.length ?? 0);
      ys.push(y);
    });
    y += state.row + (room.get(times.at(-1)) ?? 0);
    if (left.length) { cuts.push({ cut: left.shift(), y }); y += CUT; }
    const of = (at) => {
      let low = 0;
      let high = times.length;
      while (low < high) { const middle = (low + high) >> 1; if (times[middle] < at) low = middle + 1; else high = middle; }
      if (low === times.length) return y - 8;
      if (times[low] === at) return ys[low];
      if (low === 0) return 6;
      const share = (at - times[low - 1]) / (times[low] - times[low - 1]);
      return ys[low - 1] + share * (ys[low] - ys[low - 1]);
    };
    const timeAt = (px) => {
      let low = 0;
      while (low < ys.length - 1 && ys[low] < px) low += 1;
      return times[low] ?? 0;
    };
    return { of, timeAt, height: y + 14, breaks, cuts, times, ys, edges };
  }

  // ---- drawing

  const isPill = (mark) => !["sync", "durable", "tick", "links", "broken"].includes(mark.kind);

  function add(parent, name, attributes = {}, text = null) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (text !== null) node.textContent = text;
    parent.append(node);
    return node;
  }

  const cutText = (text, px) => {
    const most = Math.max(2, Math.floor(px / CHAR));
    return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
  };

  function draw() {
    const began = performance.now();
    const bars = data.bars.filter(followed);
    const messages = data.messages.filter(visible);
    const marks = data.marks.filter(visible);
    const lanes = lanesOf(bars);
    const { times, room, edges } = rowsOf(messages, marks, bars);
    const scale = scaleOf(times, room, edges);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", lanes.width);
    svg.setAttribute("height", scale.height);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", "messages between clients and nodes, time downwards");
    shown = { bars, messages, marks, lanes, scale, svg, nodes: new Map(), order: [], pills: new Map() };
    drawDefinitions(svg);
    drawBands(svg);
    drawRuler(svg);
    drawLanes(svg);
    placePills();
    for (const one of messages) if (!followed(one)) drawMessage(svg, one);
    for (const one of messages) if (followed(one)) drawMessage(svg, one);
    for (const mark of marks) if (!isPill(mark) && mark.kind !== "broken") drawMark(svg, mark);
    const lost = groupsOfLost(messages);
    for (const one of messages) drawLabels(svg, one, lost);
    for (const bar of bars) drawBar(svg, bar);
    for (const mark of marks) if (isPill(mark)) drawPill(svg, mark);
    drawFaultEdges(svg);
    for (const mark of marks) if (mark.kind === "broken") drawBroken(svg, mark);
    shown.order = [...messages, ...marks, ...bars].sort((a, b) => (a.at ?? a.start) - (b.at ?? b.start) || (a.event ?? 0) - (b.event ?? 0));
    const followedHere = [...messages, ...marks, ...bars].some(followed);
    svg.classList.toggle("following", followedHere && state.level > 0 && state.query === "");
    svg.classList.toggle("searching", state.query !== "");
    svg.classList.toggle("dense", state.row < LABELS_FROM);
    frame.querySelector("svg")?.remove();
    frame.append(svg);
    drawHead();
    drawMap();
    here = -1;
    count();
    section.dataset.drawnMs = Math.round(performance.now() - began);
    section.dataset.drawn = messages.length;
  }

  function drawDefinitions(svg) {
    const definitions = add(svg, "defs");
    for (const [name, kind] of [["seq-away", "gone"], ["seq-still", "stopped"]]) {
      const pattern = add(definitions, "pattern", { id: name, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: `rotate(${kind === "gone" ? 45 : -45})` });
      add(pattern, "line", { x1: 0, y1: 0, x2: 0, y2: 6, class: `seq-hatch ${kind}` });
    }
  }

  function drawBands(svg) {
    const { lanes, scale } = shown;
    for (const band of data.bands) {
      const [from, to] = [scale.of(band.start), scale.of(band.stop)];
      const fill = colours[band.kind] ?? "#cfc4ae";
      for (const key of band.lanes) {
        const lane = lanes.at.get(key);
        if (lane) add(svg, "rect", { class: "seq-tint", x: lane.from + 3, y: from, width: lane.to - lane.from - 6, height: to - from, fill });
      }
      const x = RULER + BAND * lanes.columns.of.get(band);
      const group = add(svg, "g", { class: "seq-band" });
      add(group, "rect", { x, y: from, width: BAND - 3, height: Math.max(3, to - from), fill });
      const text = `#${band.number} ${band.text}`;
      const step = text.length * CHAR + 60;
      for (let y = from + 8; y + 30 < to; y += step) {
        add(group, "text", { transform: `translate(${x + 4} ${y}) rotate(90)` }, cutText(text, to - y - 10));
      }
      add(group, "title", {}, `${text}: ${runTime(band.start)} to ${band.healed === false ? "the end" : runTime(band.stop)}`);
    }
  }

  function drawFaultEdges(svg) {
    const { lanes, scale } = shown;
    for (const [at, texts] of scale.edges) {
      const y = scale.of(at);
      add(svg, "line", { class: "seq-edge", x1: RULER, x2: lanes.width, y1: y, y2: y });
      texts.forEach((text, i) => add(svg, "text", { class: "seq-edge-text", x: lanes.left + 4, y: y - 11 - EDGE * i }, text));
    }
  }

  function drawRuler(svg) {
    const { lanes, scale } = shown;
    let free = -Infinity;
    scale.times.forEach((at, i) => {
      if (scale.ys[i] < free) return;
      add(svg, "text", { class: "seq-time", x: RULER - 10, y: scale.ys[i] + 3.5 }, runTime(at));
      add(svg, "line", { class: "seq-tick", x1: RULER - 6, x2: lanes.width - 8, y1: scale.ys[i], y2: scale.ys[i] });
      free = scale.ys[i] + 44;
    });
    for (const { gap, y } of scale.breaks) {
      const middle = y + BREAK / 2;
      add(svg, "path", { class: "seq-break", d: zigzag(RULER - 6, lanes.width - 8, middle, 3) });
      add(svg, "text", { class: "seq-gap", x: RULER - 10, y: middle + 3.5 }, `⋯ ${length(gap)}`);
    }
    for (const { cut, y } of scale.cuts) {
      const group = add(svg, "g", { class: "seq-cut" });
      for (const side of [6, CUT - 8]) add(group, "path", { d: zigzag(8, lanes.width - 8, y + side, 4) });
      add(group, "text", { x: lanes.left + 4, y: y + CUT / 2 + 3 }, `… ${cut.text} …`);
    }
  }

  function zigzag(from, to, y, high) {
    let path = `M${from} ${y}`;
    for (let x = from + 8, up = true; x <= to; x += 8, up = !up) path += `L${x} ${y + (up ? -high : high)}`;
    return path;
  }

  function drawLanes(svg) {
    const { lanes, scale } = shown;
    for (const lane of lanes.at.values()) {
      if (lane.kind !== "node") add(svg, "line", { class: "seq-client-line", x1: lane.x, x2: lane.x, y1: 4, y2: scale.height - 4 });
    }
    const widths = { leader: 9, candidate: 9, follower: 2.5, starting: 2.5, gone: 12, stopped: 15 };
    for (const span of data.spans) {
      const lane = lanes.at.get(span.lane);
      if (!lane) continue;
      const [from, to] = [scale.of(span.start), scale.of(span.stop)];
      const wide = widths[span.state] ?? 2.5;
      add(svg, "rect", { class: `seq-span ${CSS.escape(span.state)}`, x: lane.x - wide / 2, y: from, width: wide, height: Math.max(0, to - from) });
    }
  }

  const laneX = (key) => (shown.lanes.at.get(key) ?? shown.lanes.at.get("others"))?.x;

  function item(parent, thing, kind) {
    const group = add(parent, "g", { class: `seq-item ${kind}${followed(thing) ? " on" : ""}${matches(thing) ? " hit" : ""}`, role: "img", "aria-label": title(thing) });
    group.thing = thing;
    shown.nodes.set(thing, [...(shown.nodes.get(thing) ?? []), group]);
    return group;
  }

  function placePills() {
    for (const mark of shown.marks) {
      if (!isPill(mark)) continue;
      const place = `${mark.lane} ${mark.at}`;
      const stack = shown.pills.get(place) ?? [];
      stack.push(mark);
      shown.pills.set(place, stack);
    }
  }

  const pillWidth = (text) => text.length * CHAR + 12;

  function drawPill(svg, mark) {
    const lane = shown.lanes.at.get(mark.lane);
    if (!lane) return;
    const place = shown.pills.get(`${mark.lane} ${mark.at}`).indexOf(mark);
    const y = shown.scale.of(mark.at) + (state.linear ? 0 : place * PILL);
    const text = cutText(mark.text, lane.to - lane.from - 10);
    const wide = pillWidth(text);
    const group = item(svg, mark, `pill ${mark.kind} ${mark.kind === "role" ? mark.text.split(" ")[0] : ""}`);
    add(group, "rect", { x: lane.x - wide / 2, y: y - 7, width: wide, height: 14, rx: 4 });
    add(group, "text", { x: lane.x, y: y + 3.6 }, text);
  }

  function drawMark(svg, mark) {
    const y = shown.scale.of(mark.at);
    if (mark.kind === "links") {
      const group = item(svg, mark, "links");
      add(group, "line", { x1: shown.lanes.left, x2: shown.lanes.width - 8, y1: y, y2: y });
      add(group, "text", { x: shown.lanes.left + 4, y: y - 3 }, mark.text);
      return;
    }
    const lane = shown.lanes.at.get(mark.lane);
    if (!lane) return;
    const group = item(svg, mark, `small ${mark.kind}`);
    if (mark.kind === "sync") {
      add(group, "rect", { x: lane.x + 7, y, width: 5, height: Math.max(2, shown.scale.of(mark.until) - y) });
    } else if (mark.kind === "durable") {
      add(group, "path", { d: `M${lane.x} ${y - 5.5}l5.5 5.5-5.5 5.5-5.5-5.5z` });
    } else add(group, "circle", { cx: lane.x, cy: y, r: 2.5 });
  }

  function drawBroken(svg, mark) {
    const y = shown.scale.of(mark.at);
    const group = item(svg, mark, "broken");
    add(group, "line", { x1: RULER - 6, x2: shown.lanes.width - 8, y1: y, y2: y });
    add(group, "text", { x: shown.lanes.left + 4, y: y + 15 }, `✖ ${mark.text}`);
  }

  function drawBar(svg, bar) {
    const lane = shown.lanes.at.get(bar.lane);
    if (!lane) return;
    const from = shown.scale.of(bar.start);
    const open = !bar.stop;
    const to = open ? shown.scale.height - 10 : shown.scale.of(bar.stop);
    const group = item(svg, bar, `bar ${bar.outcome}`);
    add(group, "rect", { x: lane.x - 6, y: from, width: 12, height: Math.max(5, to - from), rx: 3 });
    if (open) add(group, "path", { d: `M${lane.x - 7} ${to}h14l-7 8z` });
    add(group, "text", { class: "soft", x: lane.x + 10, y: from - 8 }, `process ${bar.process}, ${bar.outcome}`);
    add(group, "text", { x: lane.x + 10, y: from + 4 }, cutText(bar.text, lane.to - lane.x - 8));
  }

  function groupsOfLost(messages) {
    const groups = new Map();
    for (const one of messages) {
      if (receipts(one).length) continue;
      const key = `${one.source} ${one.at} ${one.label}`;
      const group = groups.get(key) ?? { count: 0, nearest: null, least: Infinity };
      group.count += 1;
      const far = Math.abs(laneX(one.target) - laneX(one.source));
      if (far < group.least) [group.least, group.nearest] = [far, one];
      groups.set(key, group);
    }
    return groups;
  }

  const messageClass = (message) => `msg ${message.family}${message.answer ? " answer" : ""}`;

  function drawMessage(svg, message) {
    const { scale } = shown;
    const [from, to] = [laneX(message.source), laneX(message.target)];
    if (from === undefined || to === undefined) return;
    const group = item(svg, message, messageClass(message));
    const way = Math.sign(to - from);
    const [x1, y1] = [from + 5 * way, scale.of(message.at)];
    const ends = receipts(message).map((receipt) => [to - 5 * way, scale.of(receipt.at)]);
    const lost = [(from + to) / 2, y1 + 7 + (Math.abs(to - from) / shown.lanes.node - 1) * Math.min(5, state.row / 4)];
    const lines = (ends.length ? ends : [lost]).map(([x, y]) => `M${x1} ${y1}L${x} ${y}`).join("");
    add(group, "path", { class: "seq-near", d: lines });
    add(group, "path", { class: "seq-line", d: lines });
    if (ends.length) {
      const arrived = ends.filter((_, i) => inside(receipts(message)[i].at)); // the others run into a cut
      add(group, "path", { class: "seq-head", d: arrived.map(([x, y]) => head(x1, y1, x, y)).join("") });
      return;
    }
    const [x, y] = lost;
    const round = `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0`;
    add(group, "path", { class: "seq-cross", d: ["under-way", "unrecorded"].includes(message.fate) ? round : `M${x - 4} ${y - 4}l8 8m0 -8l-8 8` });
  }

  function drawLabels(svg, message, lost) {
    const { scale } = shown;
    const [from, to] = [laneX(message.source), laneX(message.target)];
    if (from === undefined || to === undefined) return;
    const way = Math.sign(to - from);
    const put = (x, y, text, anchor = way > 0 ? "start" : "end") => {
      const group = item(svg, message, `${messageClass(message)} words`);
      group.setAttribute("aria-hidden", "true");
      add(group, "text", { class: "seq-label", x, y: y + 3.5, "text-anchor": anchor }, text);
    };
    receipts(message).forEach((receipt, i) => {
      if (!inside(receipt.at)) return;
      const pills = shown.pills.get(`${message.target} ${receipt.at}`);
      const beside = pills ? pillWidth(pills[0].text) / 2 + 4 : 9;
      const text = i ? `again: ${message.label}` : message.label;
      if (shown.lanes.at.get(message.target)?.kind === "node") put(to + beside * way, scale.of(receipt.at), text);
      else put(to + 12, scale.of(receipt.at) - 7, text, "start");
    });
    const kin = lost.get(`${message.source} ${message.at} ${message.label}`);
    if (kin?.nearest === message) {
      const text = kin.count > 1 ? `${message.label} ×${kin.count}` : message.label;
      put(from + 12 * way, scale.of(message.at) + 17, text);
    }
  }

  function head(x1, y1, x2, y2) {
    const angle = Math.atan2(y2 - y1, x2 - x1);
    const point = (turn, far) => `${(x2 - far * Math.cos(angle + turn)).toFixed(1)} ${(y2 - far * Math.sin(angle + turn)).toFixed(1)}`;
    return `M${x2} ${y2}L${point(0.42, 9)}L${point(-0.42, 9)}Z`;
  }

  // ---- the head: names of lanes, and what each node is at the top of the view

  const headRow = document.getElementById("sequence-head");

  function drawHead() {
    headRow.textContent = "";
    headRow.style.width = `${shown.lanes.width}px`;
    const put = (x, name, key) => {
      const cell = document.createElement("div");
      cell.style.left = `${x}px`;
      const strong = document.createElement("b");
      strong.textContent = name;
      const small = document.createElement("span");
      cell.append(strong, small);
      if (key) cell.dataset.lane = key;
      headRow.append(cell);
    };
    put(RULER / 2, "run time");
    for (const lane of shown.lanes.at.values()) put(lane.kind === "client" ? lane.x + 24 : lane.x, lane.name, lane.key);
    tellHead();
  }

  function tellHead() {
    const top = shown.scale.timeAt(frame.scrollTop + 4);
    for (const cell of headRow.querySelectorAll("[data-lane]")) {
      const now = data.spans.filter((span) => span.lane === cell.dataset.lane && span.start <= top && top <= span.stop);
      const role = now.findLast((span) => span.state !== "stopped");
      const stopped = now.some((span) => span.state === "stopped");
      cell.lastChild.textContent = role ? `${role.state} ${role.ballot ?? ""}${stopped ? ", stopped" : ""}` : "";
      cell.classList.toggle("leader", role?.state === "leader");
    }
    drawView();
  }

  // ---- the map: all of it in a strip; what is followed, and the part in view

  const map = document.getElementById("sequence-map");

  function drawMap() {
    map.textContent = "";
    const high = map.clientHeight;
    const share = high / shown.scale.height;
    const told = [...shown.messages, ...shown.marks, ...shown.bars].filter((one) => (state.query ? matches(one) : followed(one)));
    const places = new Set(told.map((one) => Math.round(shown.scale.of(one.at ?? one.start) * share)));
    for (const band of data.bands) {
      const from = shown.scale.of(band.start) * share;
      add(map, "rect", { x: 0, y: from, width: 16, height: Math.max(1, shown.scale.of(band.stop) * share - from), fill: colours[band.kind] ?? "#cfc4ae", class: "seq-tint" });
    }
    for (const y of places) add(map, "rect", { class: "seq-map-on", x: 3, y, width: 10, height: 2 });
    add(map, "rect", { class: "seq-map-view", x: 1, y: 0, width: 14, height: 10 });
    drawView();
  }

  function drawView() {
    const view = map.querySelector(".seq-map-view");
    if (view === null) return;
    const share = map.clientHeight / shown.scale.height;
    view.setAttribute("y", frame.scrollTop * share);
    view.setAttribute("height", Math.max(6, frame.clientHeight * share));
  }

  function scrollByMap(event) {
    const box = map.getBoundingClientRect();
    frame.scrollTop = ((event.clientY - box.top) / box.height) * shown.scale.height - frame.clientHeight / 2;
  }

  // ---- what an event is, in words

  function title(thing) {
    if (thing.label === undefined) return thing.text;
    return `${thing.label}: ${nameOf(thing.source)} to ${nameOf(thing.target)}${thing.fate ? `, ${thing.why}` : ""}`;
  }

  const nameOf = (key) => data.lanes.find((lane) => lane.key === key)?.name ?? key;

  function lines(thing) {
    if (thing.process !== undefined) {
      const end = thing.stop ? `${runTime(thing.stop)} (after ${length(thing.stop - thing.start)})` : "never";
      return [`process ${thing.process}: invoked at ${runTime(thing.start)}, returned: ${end}, outcome ${thing.outcome}`];
    }
    if (thing.label === undefined) {
      const until = thing.until ? `, until ${runTime(thing.until)}` : "";
      return [`${thing.lane ?? "cluster"}: ${runTime(thing.at)}${until} (event ${thing.event})`];
    }
    const ways = `${nameOf(thing.source)} → ${nameOf(thing.target)}`;
    if (thing.family === "client") return [`${ways}: ${runTime(thing.at)} (event ${thing.event})`, thing.why];
    const said = [`${ways}: sent at ${runTime(thing.at)} (in event ${thing.event})`];
    for (const one of receipts(thing)) {
      const stopped = data.spans.some((span) => span.lane === thing.target && span.state === "stopped" && span.start <= one.at && one.at < span.stop);
      const then = stopped ? "; the process was stopped, and handled it when it went on" : "";
      said.push(`received at ${runTime(one.at)} (event ${one.event}), ${length(one.at - thing.at)} later${then}`);
    }
    if (thing.why) said.push(thing.why);
    return said;
  }

  function pretty(text) {
    try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
  }

  const eventOf = (thing) => receipts(thing)[0]?.event ?? thing.event;

  function fill(box, thing, most) {
    const put = (tag, text, kind = "") => {
      const node = document.createElement(tag);
      node.textContent = text;
      node.className = kind;
      box.append(node);
      return node;
    };
    box.textContent = "";
    put("b", thing.label ?? thing.text);
    for (const line of lines(thing)) put("div", line);
    put("div", `virtual time ${seconds(thing.at ?? thing.start, 9)}`, "soft");
    const text = pretty(body(thing) ?? "");
    if (text) put("pre", text.length > most ? `${text.slice(0, most)}…` : text);
    return put;
  }

  const detail = document.getElementById("sequence-detail");
  const tip = document.getElementById("sequence-tip");

  function tell(thing) {
    const put = fill(detail, thing, Infinity);
    const event = eventOf(thing);
    if (event === undefined) return;
    const row = put("div", "", "replay");
    const code = document.createElement("code");
    code.id = "sequence-command";
    code.textContent = `${data.command} --break-at ${event}`;
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.copy = "sequence-command";
    button.textContent = "Copy";
    row.append(code, button);
  }

  function hover(event) {
    const thing = event.target.closest?.(".seq-item")?.thing;
    tip.hidden = thing === undefined;
    if (thing === undefined) return;
    if (tip.thing !== thing) {
      fill(tip, thing, 900);
      if (eventOf(thing) !== undefined) {
        const code = document.createElement("code");
        code.textContent = `${data.command} --break-at ${eventOf(thing)}`;
        tip.append(code);
      }
      tip.thing = thing;
    }
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 16, innerWidth - box.width - 8))}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 8))}px`;
  }

  // ---- going from event to event

  function go(place) {
    const { order, nodes, scale } = shown;
    if (!order.length) return;
    for (const node of nodes.get(order[here]) ?? []) node.classList.remove("here");
    here = Math.max(0, Math.min(order.length - 1, place));
    const thing = order[here];
    for (const node of nodes.get(thing) ?? []) node.classList.add("here");
    const y = scale.of(thing.at ?? thing.start);
    if (y < frame.scrollTop + 30 || y > frame.scrollTop + frame.clientHeight - 90) frame.scrollTop = y - frame.clientHeight / 3;
    tell(thing);
  }

  function next(step) {
    const wanted = state.query ? matches : followed;
    for (let place = here + step; place >= 0 && place < shown.order.length; place += step) {
      if (wanted(shown.order[place])) { go(place); return; }
    }
  }

  function count() {
    const found = shown.order.filter(matches).length;
    document.getElementById("sequence-found").textContent = state.query === "" ? "" : `${found} found`;
  }

  function goToFirst() {
    const place = shown.order.findIndex(followed);
    const first = place >= 0 ? shown.order[place].at ?? shown.order[place].start : data.bands.find((band) => inside(band.start))?.start;
    if (first !== undefined) frame.scrollTop = shown.scale.of(first) - (place >= 0 ? 70 : 200);
  }

  function again(change) {
    const top = shown.scale.timeAt(frame.scrollTop + 60);
    change();
    draw();
    frame.scrollTop = shown.scale.of(top) - 60;
    tellHead();
  }

  function zoomRows(factor) {
    again(() => { state.row = Math.max(ROW_LEAST, Math.min(ROW_MOST, state.row * factor)); });
  }

  function setLevel(to) {
    again(() => { state.level = to; });
    for (const button of section.querySelectorAll("[data-level]")) button.setAttribute("aria-pressed", String(Number(button.dataset.level) === to));
    if (to === 0) goToFirst();
  }

  function choose(number) {
    state.choice = number;
    const select = document.getElementById("sequence-choice");
    if (select !== null) select.value = String(number);
    draw();
    goToFirst();
    tellHead();
  }

  const help = document.getElementById("sequence-help");
  const KEYS = {
    j: () => go(here + 1), k: () => go(here - 1),
    n: () => next(1), p: () => next(-1),
    "+": () => zoomRows(1.25), "-": () => zoomRows(0.8),
    "?": () => { help.hidden = !help.hidden; },
    "/": () => document.getElementById("sequence-search").focus(),
    Escape: () => { help.hidden = true; tip.hidden = true; },
  };

  section.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select")) {
      if (event.key === "Enter" && event.target.type === "search") { frame.focus(); next(1); }
      return;
    }
    const work = KEYS[event.key];
    if (work) { event.preventDefault(); work(); }
  });
  section.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.level) setLevel(Number(button.dataset.level));
    if (button?.dataset.rows) zoomRows(Number(button.dataset.rows));
    if (button?.dataset.help !== undefined) KEYS["?"]();
    const thing = event.target.closest?.(".seq-item")?.thing;
    if (thing) go(shown.order.indexOf(thing));
  });
  document.addEventListener("click", (event) => {
    const number = event.target.closest?.("[data-follow]")?.dataset.follow;
    if (number === undefined) return;
    choose(Number(number));
    section.scrollIntoView();
    frame.focus({ preventScroll: true });
  });
  document.getElementById("sequence-linear").addEventListener("change", (event) => again(() => { state.linear = event.target.checked; }));
  document.getElementById("sequence-choice")?.addEventListener("change", (event) => choose(Number(event.target.value)));
  let typing;
  document.getElementById("sequence-search").addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => again(() => { state.query = event.target.value.trim().toLowerCase(); }), 120);
  });
  frame.addEventListener("pointermove", hover);
  frame.addEventListener("pointerleave", () => { tip.hidden = true; });
  let waiting = false;
  frame.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; tellHead(); });
  });
  map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); scrollByMap(event); });
  map.addEventListener("pointermove", (event) => { if (event.buttons) scrollByMap(event); });
  let resizing;
  addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => again(() => {}), 150); });

  draw();
  goToFirst();
  tellHead();
})();
