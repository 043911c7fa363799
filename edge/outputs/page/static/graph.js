// A minute of figures as bars, one a second, and the same in words for those who cannot see it.
const SECONDS = 60;

export class Graph {
  constructor(canvas, name, unit, colour) {
    Object.assign(this, { canvas, name, unit, colour, values: [], second: 0 });
  }

  // The worst of each second counts.
  add(value) {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.values.push(value);
      if (this.values.length > SECONDS) this.values.shift();
      this.draw();
    }
    const last = this.values.length - 1;
    this.values[last] = Math.max(this.values[last], value);
  }

  draw() {
    const { canvas, values } = this;
    const ratio = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * ratio;
    canvas.height = canvas.clientHeight * ratio;
    const pen = canvas.getContext("2d");
    const top = Math.max(1, ...values), bar = canvas.width / SECONDS;
    pen.fillStyle = this.colour;
    values.forEach((value, i) => {
      const height = value / top * (canvas.height - 14 * ratio);
      pen.fillRect((SECONDS - values.length + i) * bar, canvas.height - height, Math.max(1, bar - ratio), height);
    });
    pen.fillStyle = "#b6c1ca";
    pen.font = `${11 * ratio}px system-ui, sans-serif`;
    pen.fillText(`${Math.round(top)} ${this.unit}`, 0, 10 * ratio);
    const middle = [...values].sort((a, b) => a - b)[values.length >> 1];
    canvas.setAttribute("aria-label",
      `${this.name}: median ${Math.round(middle)}, worst ${Math.round(top)} ${this.unit} in the last ${values.length} seconds`);
  }
}
