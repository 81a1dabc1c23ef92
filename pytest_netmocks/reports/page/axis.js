// The axis of time: one for all servers of a test. Long gaps in which nothing happened are folded.

const FOLDED = 0.06; // of the width
const FOLDS = 8;

function axisOf(story, virtual) {
  const times = [0, ...story.times, story.end];
  const gaps = [];
  for (let i = 1; i < times.length; i++) if (times[i] > times[i - 1]) gaps.push({ from: times[i - 1], to: times[i] });
  gaps.sort((a, b) => b.to - b.from - (a.to - a.from));
  let rest = story.end;
  const folds = [];
  for (const gap of gaps) {
    const length = gap.to - gap.from;
    rest -= length;
    // In real time a pause of a second is worth its width, unless it dwarfs all that happened.
    if (folds.length === FOLDS || length < (virtual ? 0.1 : 1) || length < 3 * rest) break;
    folds.push(gap);
  }
  folds.sort((a, b) => a.from - b.from);
  const shown = Math.max(story.end - folds.reduce((sum, gap) => sum + gap.to - gap.from, 0), 1e-6);
  const scale = (1 - folds.length * FOLDED) / shown;
  const parts = [];
  let x = 0;
  let t = 0;
  for (const gap of [...folds, { from: story.end, to: story.end }]) {
    parts.push({ from: t, to: gap.from, x, width: (gap.from - t) * scale, fold: false });
    x += (gap.from - t) * scale;
    if (gap.to > gap.from) parts.push({ from: gap.from, to: gap.to, x, width: FOLDED, fold: true });
    x += gap.to > gap.from ? FOLDED : 0;
    t = gap.to;
  }
  const place = (time) => {
    const part = parts.find((one) => time <= one.to) ?? parts.at(-1);
    if (part.to === part.from) return part.x;
    return part.x + (Math.max(0, time - part.from) / (part.to - part.from)) * part.width;
  };
  const folded = parts.filter((part) => part.fold);
  const free = ({ x }) => !folded.some((part) => x < part.x + part.width + 0.02 && x + 0.09 > part.x);
  return { place, folds: folded, ticks: ticksOf(parts, shown, place).filter(free) };
}

function ticksOf(parts, shown, place) {
  const rough = shown / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const ticks = [];
  for (const part of parts.filter((one) => !one.fold)) {
    for (let n = Math.ceil(part.from / step - 1e-9); n * step <= part.to; n++) {
      const x = place(n * step);
      const near = ticks.at(-1);
      if ((!near || x - near.x > 0.09) && x < 0.95) ticks.push({ x, text: tickText(n * step, step) });
    }
  }
  return ticks;
}

function tickText(t, step) {
  if (t === 0) return "0";
  if (t < 1) return `${Number((t * 1e3).toFixed(Math.max(0, -Math.floor(Math.log10(step * 1e3)))))} ms`;
  return `${Number(t.toFixed(Math.max(0, -Math.floor(Math.log10(step)))))} s`;
}
