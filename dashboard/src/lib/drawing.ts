// What a chart is given, how that becomes a table of values with gaps, and what is drawn over its lines.

import type uPlot from 'uplot';

export interface Mark {
  /** Seconds. */
  at: number;
  tone: '--bad' | '--warn' | '--muted';
  text: string;
}
export interface Point {
  /** Seconds. */
  at: number;
  value: number;
}
export interface Line {
  label: string;
  colour: string;
  points: readonly Point[];
}
export interface Limit {
  at: number;
  text: string;
}
export interface Span {
  /** Seconds. */
  start: number;
  end: number;
}

/** Points with an empty one in each gap. */
export function tableOf(points: readonly Point[], everySeconds: number): uPlot.AlignedData {
  const times: number[] = [];
  const values: (number | null)[] = [];
  for (const point of points) {
    const last = times.at(-1);
    if (last !== undefined && point.at - last > everySeconds * 1.5) {
      times.push(last + everySeconds);
      values.push(null);
    }
    times.push(point.at);
    values.push(point.value);
  }
  return [times, values];
}

/** Places of values without one beside them, which no line would show; a time that only another line has is none. */
export function alone(values: ArrayLike<number | null | undefined>): number[] {
  const known = Array.from(values, (_, index) => index).filter((index) => values[index] !== undefined);
  const isGap = (place: number) => values[known[place] ?? -1] == null;
  return known.filter((_, place) => !isGap(place) && isGap(place - 1) && isGap(place + 1));
}

/** Draws a dashed line with a head at each time. */
export function drawMarks(plot: uPlot, tones: readonly { at: number; tone: string }[]): void {
  const { left, top, width, height } = plot.bbox;
  for (const { at, tone } of tones) {
    const x = plot.valToPos(at, 'x', true);
    if (x < left || x > left + width) continue;
    plot.ctx.strokeStyle = plot.ctx.fillStyle = tone;
    plot.ctx.lineWidth = 1.5 * devicePixelRatio;
    plot.ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    plot.ctx.beginPath();
    plot.ctx.moveTo(x, top);
    plot.ctx.lineTo(x, top + height);
    plot.ctx.stroke();
    plot.ctx.setLineDash([]);
    const size = 4 * devicePixelRatio;
    plot.ctx.beginPath();
    plot.ctx.moveTo(x - size, top);
    plot.ctx.lineTo(x + size, top);
    plot.ctx.lineTo(x, top + size * 1.5);
    plot.ctx.fill();
  }
}

/** Draws a level line with its name. */
export function drawLimit(plot: uPlot, limit: Limit, tone: string): void {
  const y = plot.valToPos(limit.at, 'y', true);
  plot.ctx.strokeStyle = plot.ctx.fillStyle = tone;
  plot.ctx.lineWidth = 1.5 * devicePixelRatio;
  plot.ctx.beginPath();
  plot.ctx.moveTo(plot.bbox.left, y);
  plot.ctx.lineTo(plot.bbox.left + plot.bbox.width, y);
  plot.ctx.stroke();
  plot.ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  plot.ctx.textAlign = 'left';
  plot.ctx.textBaseline = 'bottom';
  plot.ctx.fillText(limit.text, plot.bbox.left + 4 * devicePixelRatio, y - 2 * devicePixelRatio);
}
