// A rectangle over the picture, drawn and changed by mouse, finger or keys, in the picture's own pixels.
const LEAST = 16, STEP = 8, SETTLED_MS = 1000;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Region {
  constructor(canvas, box, apply) {
    this.canvas = canvas; this.box = box; this.apply = apply;
    Object.assign(this, { editing: false, known: false, offered: false, rect: null, drag: null, sent: 0 });
    canvas.addEventListener("pointerdown", (event) => this.down(event, "new"));
    box.addEventListener("pointerdown", (event) => this.down(event, event.target.dataset.edge || "move"));
    for (const part of [canvas, box]) {
      part.addEventListener("pointermove", (event) => this.move(event));
      part.addEventListener("pointerup", () => this.up());
      part.addEventListener("pointercancel", () => { this.drag = null; });
    }
    box.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  // `known`: the cart has what the box stands for. `offered`: nothing is there yet, so a drag draws, wherever it begins.
  edit(on, rect, known, offered) {
    Object.assign(this, { editing: on, drag: null, known, offered, sent: 0 });
    const { width, height } = this.canvas;
    if (on) this.rect = rect || [width >> 2, height >> 2, width >> 1, height >> 1];
    this.canvas.classList.toggle("drawing", on);
    this.draw();
    if (on) this.box.focus();
  }

  // Where the pointer is, in the picture's own pixels.
  at(event) {
    const { left, top, scale } = area(this.canvas);
    return [clamp(Math.round((event.clientX - left) / scale), 0, this.canvas.width),
      clamp(Math.round((event.clientY - top) / scale), 0, this.canvas.height)];
  }

  down(event, kind) {
    if (!this.editing || event.button) return;
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    if (this.offered && kind === "move") kind = "new";
    this.drag = { kind, from: this.at(event), rect: [...this.rect] };
    this.box.focus();
  }

  move(event) {
    if (!this.drag) return;
    const [x, y] = this.at(event), [fx, fy] = this.drag.from, [left, top, width, height] = this.drag.rect;
    const { kind } = this.drag;
    if (kind === "new") this.between(fx, fy, x, y);
    else if (kind === "move") this.place(left + x - fx, top + y - fy, width, height);
    else {
      const right = left + width, bottom = top + height;
      this.between(kind[1] === "w" ? left + x - fx : right + x - fx, kind[0] === "n" ? top + y - fy : bottom + y - fy,
        kind[1] === "w" ? right : left, kind[0] === "n" ? bottom : top);
    }
  }

  between(x1, y1, x2, y2) {
    const { width, height } = this.canvas;
    [x1, x2] = [clamp(x1, 0, width), clamp(x2, 0, width)];
    [y1, y2] = [clamp(y1, 0, height), clamp(y2, 0, height)];
    this.place(Math.min(x1, x2), Math.min(y1, y2), Math.abs(x2 - x1), Math.abs(y2 - y1));
  }

  place(left, top, width, height) {
    width = clamp(width, LEAST, this.canvas.width); height = clamp(height, LEAST, this.canvas.height);
    this.rect = [clamp(left, 0, this.canvas.width - width), clamp(top, 0, this.canvas.height - height), width, height];
    this.draw();
  }

  up() {
    if (!this.drag) return;
    const moved = this.rect.some((value, i) => value !== this.drag.rect[i]);
    this.drag = null;
    if (moved) this.send();
  }

  key(event) {
    const ways = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    const [left, top, width, height] = this.rect;
    if (event.shiftKey) this.place(left, top, width + way[0], height + way[1]);
    else this.place(left + way[0], top + way[1], width, height);
    this.send();
  }

  send() {
    this.known = true;
    this.offered = false;
    this.sent = performance.now();
    this.apply(this.rect);
  }

  // True where the box stands for what the cart knows, and nobody is changing it or has just done so.
  get settled() {
    return this.editing && this.known && !this.drag && performance.now() - this.sent >= SETTLED_MS;
  }

  // Where the cart sees it now.
  follow(rect) {
    this.rect = [...rect];
    this.draw();
  }

  draw() {
    this.box.hidden = !this.editing;
    if (this.editing) lay(this.box, this.canvas, this.rect);
  }
}

// Where the picture is within its element, which it fills as far as its shape allows.
function area(canvas) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  return { scale, left: box.left + (box.width - canvas.width * scale) / 2,
    top: box.top + (box.height - canvas.height * scale) / 2 };
}

// Lays an element over a rectangle of the picture.
export function lay(element, canvas, [x, y, width, height]) {
  const shown = area(canvas), { scale } = shown, frame = canvas.parentElement.getBoundingClientRect();
  Object.assign(element.style, {
    left: `${shown.left - frame.left + x * scale}px`, top: `${shown.top - frame.top + y * scale}px`,
    width: `${width * scale}px`, height: `${height * scale}px`,
  });
}
