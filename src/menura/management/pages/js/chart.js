// A chart of lines over time, in SVG: an axis of round numbers, a legend that is the read-out as well, and a line under
// the pointer (or, with the arrow keys, without one). Drawing is a handful of path strings a second; nothing else of
// the page is touched.

import { clock, short, time } from "./format.js";
import { fill, h, s, setText } from "./dom.js";
import { t } from "./i18n.js";

const HEIGHT = 190;
const SPAN_MIN_MS = 60_000;
const MARGIN = { top: 10, right: 10, bottom: 24, left: 44 };

/** Points of what the API counts up, as a rate: [[ms, per second]], oldest first. */
export function ratePoints(details) {
  const samples = [...(details?.samples ?? [])].reverse();
  const points = [];
  for (let at = 1; at < samples.length; at += 1) {
    const seconds = (samples[at].timestamp - samples[at - 1].timestamp) / 1000;
    const grown = samples[at].sample - samples[at - 1].sample;
    points.push([samples[at].timestamp, seconds > 0 ? Math.max(0, grown / seconds) : 0]);
  }
  return points;
}

/** Points of what the API measures: [[ms, value]], oldest first. */
export function levelPoints(details) {
  return [...(details?.samples ?? [])].reverse().map(({ timestamp, sample }) => [timestamp, sample]);
}

export class Chart {
  /** `series` is [{key, label, color}]; colours are names of the style sheet's --line-... */
  constructor({ label, series, format = short }) {
    this.series = series.map((each) => ({ ...each, points: [], hidden: false }));
    this.format = format;
    this.label = label;
    this.axis = s("g", { class: "axis" });
    this.lines = s("g", {});
    this.cursor = s("line", { class: "cursor", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: "hidden" });
    this.svg = s(
      "svg",
      { class: "chart", height: HEIGHT, role: "img", "aria-label": label, tabindex: "0" },
      this.axis,
      this.lines,
      this.cursor,
    );
    this.when = h("span", { class: "when" });
    this.legend = h("div", { class: "legend" });
    this.element = h("figure", {}, this.svg, h("figcaption", {}, this.legend, this.when));
    for (const each of this.series) this.addSeries(each);
    this.svg.addEventListener("pointermove", (event) =>
      this.point(event.clientX - this.svg.getBoundingClientRect().left),
    );
    this.svg.addEventListener("pointerleave", () => this.point(undefined));
    this.svg.addEventListener("blur", () => this.point(undefined));
    this.svg.addEventListener("keydown", (event) => this.turn(event));
    this.observer = new ResizeObserver(([entry]) => {
      this.width = Math.floor(entry.contentRect.width);
      this.draw();
    });
    this.observer.observe(this.element);
  }

  addSeries(each) {
    const color = { "--line": `var(--line-${each.color})` };
    each.area = s("path", { class: "area", style: color });
    each.line = s("path", { class: "line", style: color });
    each.dot = s("circle", { class: "dot", r: 3.5, visibility: "hidden", style: color });
    this.lines.append(each.area, each.line, each.dot);
    each.value = h("b", {});
    const toggle = () => {
      each.hidden = !each.hidden;
      button.setAttribute("aria-pressed", String(!each.hidden));
      this.draw();
    };
    const button = h(
      "button",
      { type: "button", "aria-pressed": "true", title: each.hint, on: { click: toggle } },
      h("i", { style: color, "aria-hidden": "true" }),
      each.label,
      each.value,
    );
    this.legend.append(button);
  }

  /** New points: {key: [[ms, value]]}. */
  update(points) {
    for (const each of this.series) each.points = points[each.key] ?? [];
    this.draw();
  }

  draw() {
    if (!this.width) return;
    const shown = this.series.filter((each) => !each.hidden);
    const all = shown.flatMap((each) => each.points);
    const times = this.series.flatMap((each) => each.points).map(([at]) => at);
    this.until = Math.max(...times);
    // What has just begun is not stretched.
    this.from = Math.min(...times, this.until - SPAN_MIN_MS);
    const top = niceTop(Math.max(0, ...all.map(([, value]) => value)));
    this.x = (at) =>
      MARGIN.left + ((at - this.from) / (this.until - this.from || 1)) * (this.width - MARGIN.left - MARGIN.right);
    this.y = (value) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.svg.setAttribute("width", this.width);
    this.drawAxis(top, times.length > 0);
    for (const each of this.series) this.drawLine(each);
    this.point(this.pointedX);
    this.svg.setAttribute(
      "aria-label",
      `${this.label}: ${shown.map((each) => `${each.label} ${this.format(each.points.at(-1)?.[1])}`).join(", ")}`,
    );
  }

  drawAxis(top, dated) {
    const parts = [];
    for (const value of [0, 0.25, 0.5, 0.75, 1].map((share) => share * top)) {
      const y = Math.round(this.y(value)) + 0.5;
      parts.push(
        s("line", { x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y, class: value ? "" : "base" }),
      );
      parts.push(s("text", { x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, short(value)));
    }
    const steps = this.width < 420 ? 2 : 4;
    const write = this.until - this.from > 15 * 60_000 ? clock : time;
    for (let step = 0; dated && step <= steps; step += 1) {
      const at = this.from + ((this.until - this.from) * step) / steps;
      const anchor = step === 0 ? "start" : step === steps ? "end" : "middle";
      parts.push(s("text", { x: this.x(at), y: HEIGHT - 6, "text-anchor": anchor }, write(at)));
    }
    fill(this.axis, parts);
  }

  drawLine(each) {
    const places = each.points.map(([at, value]) => `${this.x(at).toFixed(1)},${this.y(value).toFixed(1)}`);
    const drawn = !each.hidden && places.length > 1;
    const line = `M${places.join("L")}`;
    const floor = HEIGHT - MARGIN.bottom;
    const [first, last] = drawn ? [this.x(each.points[0][0]), this.x(each.points.at(-1)[0])] : [];
    each.line.setAttribute("d", drawn ? line : "");
    each.area.setAttribute("d", drawn ? `${line}L${last.toFixed(1)},${floor}L${first.toFixed(1)},${floor}Z` : "");
  }

  /** Read out what was at a place of the picture; undefined: what is now. */
  point(x) {
    this.pointedX = x;
    const times = this.series.find((each) => each.points.length)?.points ?? [];
    const nearest =
      x === undefined
        ? -1
        : nearestTo(
            times.map(([at]) => this.x(at)),
            x,
          );
    const marked = nearest >= 0 && times.length > 0;
    this.at = marked ? nearest : undefined;
    this.cursor.setAttribute("visibility", marked ? "visible" : "hidden");
    if (marked) {
      const place = this.x(times[nearest][0]);
      this.cursor.setAttribute("x1", place);
      this.cursor.setAttribute("x2", place);
    }
    setText(this.when, marked ? time(times[nearest][0]) : t("chart.now"));
    for (const each of this.series) {
      const found = marked ? each.points[nearest] : each.points.at(-1);
      setText(each.value, this.format(found?.[1]));
      const dotted = marked && found && !each.hidden;
      each.dot.setAttribute("visibility", dotted ? "visible" : "hidden");
      if (dotted) {
        each.dot.setAttribute("cx", this.x(found[0]));
        each.dot.setAttribute("cy", this.y(found[1]));
      }
    }
  }

  turn(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const points = this.series.find((each) => each.points.length)?.points;
    if (!by || !points) return;
    event.preventDefault();
    const at = Math.min(points.length - 1, Math.max(0, (this.at ?? points.length) + by));
    this.point(this.x(points[at][0]));
  }
}

function nearestTo(places, x) {
  let best = -1;
  for (const [at, place] of places.entries()) {
    if (best < 0 || Math.abs(place - x) < Math.abs(places[best] - x)) best = at;
  }
  return best;
}

/** A round number at least as large, that quarters well. */
function niceTop(value) {
  if (value <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value);
}
