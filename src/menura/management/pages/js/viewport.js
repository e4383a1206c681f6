// A picture that is larger than its frame: moved by dragging or the arrow keys, sized by the wheel, by pinching, or by
// + and -.

const SCALE = { least: 0.15, readable: 0.55, most: 2.5, fit: 1.1 };
const MARGIN = 40;
const BUTTONS = 30;
const STEP = 60;

export class Viewport {
  /** Moves `world`, a group within the element `map`. */
  constructor(map, world) {
    Object.assign(this, {
      map,
      world,
      x: 0,
      y: 0,
      scale: 1,
      size: { width: 1, height: 1 },
      pointers: new Map(),
      fitting: true,
    });
    map.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    map.addEventListener("pointerdown", (event) => this.press(event));
    map.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"])
      map.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    map.addEventListener("click", (event) => this.dragged && event.preventDefault(), { capture: true });
    map.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fitting && this.fit()).observe(map);
  }

  measure(size) {
    this.size = size;
  }

  /** Show all of it, or, where that could not be read, its beginning. */
  fit() {
    const { width, height } = this.map.getBoundingClientRect();
    if (!width) return;
    const free = height - BUTTONS;
    const scale = Math.min((width - 2 * MARGIN) / this.size.width, (free - 2 * MARGIN) / this.size.height, SCALE.fit);
    this.scale = Math.max(scale, SCALE.readable);
    this.x = Math.max(MARGIN / 2, (width - this.size.width * this.scale) / 2);
    this.y = Math.max(MARGIN / 2, (free - this.size.height * this.scale) / 2);
    this.apply();
    this.fitting = true;
  }

  zoom(by, at) {
    const box = this.map.getBoundingClientRect();
    const [x, y] = at ?? [box.width / 2, box.height / 2];
    const scale = Math.min(SCALE.most, Math.max(SCALE.least, this.scale * by));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.apply();
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.apply();
  }

  apply() {
    this.fitting = false;
    this.world.setAttribute(
      "transform",
      `translate(${this.x.toFixed(1)} ${this.y.toFixed(1)}) scale(${this.scale.toFixed(3)})`,
    );
  }

  wheel(event) {
    event.preventDefault();
    const box = this.map.getBoundingClientRect();
    this.zoom(Math.exp(-event.deltaY * 0.0015), [event.clientX - box.left, event.clientY - box.top]);
  }

  press(event) {
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.dragged = false;
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    if (Math.hypot(now[0] - before[0], now[1] - before[1]) < 3 && !this.dragged) return;
    this.dragged = true;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    if (others.length) {
      const box = this.map.getBoundingClientRect();
      const [other] = others;
      const grown =
        Math.hypot(now[0] - other[0], now[1] - other[1]) /
        (Math.hypot(before[0] - other[0], before[1] - other[1]) || 1);
      this.zoom(grown, [(now[0] + other[0]) / 2 - box.left, (now[1] + other[1]) / 2 - box.top]);
    } else this.move(now[0] - before[0], now[1] - before[1]);
    this.pointers.set(event.pointerId, now);
  }

  key(event) {
    const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    if (event.key in moves) this.move(...moves[event.key]);
    else if (event.key === "+") this.zoom(1.2);
    else if (event.key === "-") this.zoom(0.83);
    else return;
    event.preventDefault();
  }
}
