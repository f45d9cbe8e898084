// Charts: received and sent over time, in bits per second.

import { bits, byId, make, packets, press, scaled, text } from "./dom.js";

const TENTHS = 301;
const SECONDS = 3601;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const faded = (name) => `color-mix(in srgb, ${colour(name)} 20%, transparent)`;

/** A chart of two lines in an element, which follows its width and the theme. */
class Plot {
  constructor(element, { time }) {
    Object.assign(this, { element, time, unit: "bit/s", data: [[], [], []] });
    this.make();
    new ResizeObserver(() => this.resize()).observe(element);
    addEventListener("nettop-theme", () => this.make());
  }

  size() {
    return { width: Math.max(120, this.element.clientWidth), height: this.element.clientHeight };
  }

  resize() {
    this.plot.setSize(this.size());
  }

  make() {
    this.plot?.destroy();
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--edge"), width: 1 }, ticks: { stroke: colour("--edge"), width: 1 } };
    const line = (name, label) => ({ label, stroke: colour(name), fill: faded(name), width: 1.6, points: { show: false }, spanGaps: false });
    const clock = (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toTimeString().slice(0, 8));
    const seconds = (_, ticks) => ticks.map((tick) => (tick === 0 ? "now" : `${tick} s`));
    this.plot = new uPlot({
      ...this.size(),
      cursor: { y: false, drag: { x: true, y: false } },
      legend: { show: false },
      scales: { x: { time: this.time }, y: { range: (_, __, most) => [0, Math.max(most * 1.12, 1000)] } },
      axes: [
        { ...axis, space: 90, values: this.time ? clock : seconds },
        { ...axis, size: 84, values: (_, ticks) => ticks.map((tick) => scaled(tick, this.unit)) },
      ],
      series: [{}, line("--in", "in"), line("--out", "out")],
    }, this.data, this.element);
  }

  show(data) {
    this.data = data;
    this.plot.setData(data);
  }
}

/** Rates between counts; a gap where counting began anew. */
function rates(counts) {
  const [times, received, sent, pps] = [[], [], [], []];
  for (let at = 1; at < counts.length; at += 1) {
    const [before, now] = [counts[at - 1], counts[at]];
    const seconds = now[1] - before[1];
    const goesOn = seconds > 0 && now[2] >= before[2];
    times.push(now[0]);
    received.push(goesOn ? ((now[3] - before[3]) * 8) / seconds : null);
    sent.push(goesOn ? (Math.max(0, now[5] - before[5]) * 8) / seconds : null);
    pps.push(goesOn ? (now[2] - before[2]) / seconds : null);
  }
  return [times, received, sent, pps];
}

function keep(list, counts, step, most) {
  const last = list.at(-1);
  if (last && counts[1] < last[1]) list.length = 0;
  else if (last && counts[1] - last[1] < step) return false;
  list.push(counts);
  if (list.length > most) list.shift();
  return true;
}

/** The chart of everything, and the cards that have its newest values. */
export class Throughput {
  constructor() {
    this.plot = new Plot(byId("chart"), { time: true });
    Object.assign(this, { tenths: [], seconds: [], span: 30, held: false });
    byId("spans").addEventListener("click", (event) => {
      const { span } = event.target.dataset;
      if (!span) return;
      this.span = Number(span);
      press(byId("spans"), "span", span);
      this.draw();
    });
    byId("figures").addEventListener("toggle", () => this.figures());
  }

  begin({ tenths, seconds }) {
    Object.assign(this, { tenths, seconds });
    this.draw();
  }

  enter(counts) {
    this.counts = counts;
    const isTenth = keep(this.tenths, counts, 0.07, TENTHS);
    const isSecond = keep(this.seconds, counts, 0.95, SECONDS);
    if (this.held || document.hidden) return;
    if (this.span === 30 ? isTenth : isSecond) this.draw();
    if (isSecond) { this.cards(); this.figures(); }
  }

  /** Those of the span: where a host is too busy for ten in a second, they are fewer. */
  points() {
    const points = this.span === 30 ? this.tenths : this.seconds;
    const since = (points.at(-1)?.[1] ?? 0) - this.span - 0.1;
    return points.slice(points.findIndex((counts) => counts[1] >= since));
  }

  draw() {
    const [times, received, sent] = rates(this.points());
    this.plot.show([times, received, sent]);
  }

  cards() {
    const [, received, sent, pps] = rates(this.seconds.slice(-2));
    if (!received.length || received[0] === null) return;
    text(byId("card-in"), bits(received[0] / 8));
    if (this.counts[5] > 0) text(byId("card-out"), bits(sent[0] / 8));
    text(byId("card-pps"), packets(pps[0]));
    document.title = `${bits(received[0] / 8)} in · nettop`;
  }

  /** The same in figures, for those who do not see the chart. */
  figures() {
    if (!byId("figures").open) return;
    const [times, received, sent, pps] = rates(this.points());
    const step = Math.max(1, Math.floor(times.length / 12));
    const rows = [];
    for (let at = times.length - 1; at >= 0 && rows.length < 12; at -= step) {
      const ago = (times.at(-1) - times[at]).toFixed(this.span === 30 ? 1 : 0);
      const cell = (value) => make("td", { class: "right" }, value);
      const shown = received[at] === null ? ["–", "–", "–"] : [bits(received[at] / 8), bits(sent[at] / 8), packets(pps[at])];
      rows.push(make("tr", {}, make("th", { scope: "row" }, ago), ...shown.map(cell)));
    }
    byId("figures").querySelector("tbody").replaceChildren(...rows);
  }
}

/** The last minute of one thing. */
export class Minute {
  constructor(element) {
    this.element = element;
  }

  show(history) {
    const points = history?.seconds ?? [];
    this.element.hidden = points.length < 2;
    if (this.element.hidden) return;
    this.plot ??= new Plot(this.element, { time: false });
    const sent = history.sent_seconds ?? [];
    const times = points.map((_, at) => at + 1 - points.length);
    const shift = sent.length - points.length;
    // Of a port bytes are not counted: its packets are drawn.
    const hasBytes = points.some((point) => point[1] > 0);
    const value = (point) => (point === undefined ? null : hasBytes ? point[1] * 8 : point[0]);
    this.plot.unit = hasBytes ? "bit/s" : "pps";
    this.plot.show([times, points.map(value), points.map((_, at) => value(sent[at + shift]))]);
  }
}
