/** The answer of the server as text: shown, copied, downloaded. */

/** Write JSON with an indent, each list of numbers on one line. */
export function asText(answer) {
  const numbers = /\[\s+((?:-?[\d.e+-]+|null)(?:,\s+(?:-?[\d.e+-]+|null))*)\s+\]/g;
  return JSON.stringify(answer, null, 2).replace(
    numbers,
    (_, inner) => `[${inner.split(/,\s+/).join(", ")}]`,
  );
}

export class AnswerView {
  /**
   * @param {HTMLDetailsElement} details that holds the text; it is written when open.
   * @param {HTMLElement} text
   */
  constructor(details, text) {
    this.details = details;
    this.text = text;
    this.answer = null;
    details.addEventListener("toggle", () => this.#write());
  }

  show(answer, name) {
    this.answer = answer;
    this.name = name;
    for (const button of this.details.querySelectorAll("button")) button.disabled = false;
    this.#write();
  }

  /** Copy the text; the button tells for a moment that it was. */
  async copy(button) {
    const before = button.textContent;
    button.textContent = (await toClipboard(asText(this.answer))) ? "Copied" : "Not allowed";
    setTimeout(() => (button.textContent = before), 1500);
  }

  download() {
    const blob = new Blob([asText(this.answer)], { type: "application/json" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${this.name.replace(/\.[^.]*$/, "")}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  #write() {
    if (this.details.open && this.answer) this.text.textContent = asText(this.answer);
  }
}

/** Browsers give the clipboard to safe origins only: elsewhere an older way is tried. */
async function toClipboard(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false;
    }
  }
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  return copied;
}
