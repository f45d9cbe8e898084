// The countries of a view on a map, the more of all packets the darker; what it shows is in the table, too.

import { byId, make } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

export class WorldMap {
  constructor({ open }) {
    Object.assign(this, { open, paths: null });
  }

  async show(view) {
    const isOne = view.kind === "country";
    byId("map").hidden = !isOne;
    if (!isOne) return;
    if (!this.paths) await this.load();
    const share = view.columns.findIndex((column) => column.meaning === "bar");
    const shares = new Map(view.rows.map((row) => [row.id, { value: Number.parseFloat(row.cells[share].replace("<", "")) || 0, row }]));
    for (const [code, path] of this.paths) {
      const found = shares.get(code);
      path.classList.toggle("has", Boolean(found));
      if (found) {
        // Of a tenth of a percent something is to be seen, too.
        path.style.setProperty("--a", (0.18 + 0.82 * Math.sqrt(found.value / 100)).toFixed(3));
        path.firstChild.textContent = `${path.dataset.name}: ${found.row.cells[share]} of all packets`;
        path.dataset.key = found.row.key;
      } else {
        path.firstChild.textContent = path.dataset.name;
        delete path.dataset.key;
      }
    }
  }

  load() {
    this.loading ??= this.draw();
    return this.loading;
  }

  async draw() {
    const { width, height, countries } = await (await fetch("/world.json")).json();
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "Where packets come from; the figures are in the table below");
    const paths = new Map();
    for (const [code, [name, shape]] of Object.entries(countries)) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", shape);
      path.dataset.name = name;
      path.append(document.createElementNS(SVG, "title"));
      svg.append(path);
      paths.set(code, path);
    }
    svg.addEventListener("click", (event) => {
      const { key } = event.target.dataset;
      if (key) this.open(key);
    });
    byId("map").replaceChildren(make("div", {}, svg));
    this.paths = paths;
  }
}
