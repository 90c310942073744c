/** Shows where the time of an answer went: a bar for each stage, from when to when. */

const NAMES = { detector: "Detector", pose: "Pose", lifter: "Lifter", tracker: "Tracker" };

/** Write milliseconds with the digits that matter. */
export function milliseconds(value) {
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/**
 * @param {HTMLUListElement} list that is filled.
 * @param {Record<string, number>} timings of the server's answer, ms, `total` among them.
 * @param {number} roundTrip ms between asking and the answer, as this page saw it.
 */
export function showTimings(list, timings, roundTrip) {
  const { total, ...stages } = timings;
  const inStages = Object.values(stages).reduce((sum, value) => sum + value, 0);
  const rows = Object.entries(stages).map(([stage, value]) => [NAMES[stage] ?? stage, value]);
  const server = total ?? inStages;
  rows.push(["Rest of server", Math.max(0, server - inStages)]);
  rows.push(["Network, waiting", Math.max(0, roundTrip - server)]);
  // Two clocks: the server's may say more than this page saw.
  const whole = Math.max(roundTrip, server, 1e-9);
  let before = 0;
  const items = rows.map(([name, value], i) => {
    const item = row(list.children[i], name, value, before / whole, value / whole);
    before += value;
    return item;
  });
  list.replaceChildren(...items);
}

/** Fill a row; the one that is there is used again, so that its bar glides. */
function row(old, name, value, from, share) {
  const item = old ?? document.createElement("li");
  if (!old) item.append(...["span", "i", "b"].map((tag) => document.createElement(tag)));
  const [label, bar, number] = item.children;
  label.textContent = name;
  bar.style.setProperty("--from", from);
  bar.style.setProperty("--share", share);
  number.textContent = milliseconds(value);
  return item;
}
