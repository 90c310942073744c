/** Takes pictures in: dropped, chosen, pasted, or one of the samples. */

/**
 * @param {object} parts
 * @param {HTMLInputElement} parts.file
 * @param {HTMLElement} parts.zone that shows where to drop; anywhere on the page counts.
 * @param {HTMLElement} parts.samples with a button for each, `data-name` and an <img> inside.
 * @param {(load: () => Promise<Blob>, name: string) => void} take
 */
export function listenForPictures({ file, zone, samples }, take) {
  const takeFile = (given) => given && take(async () => given, given.name);

  file.addEventListener("change", () => {
    takeFile(file.files[0]);
    file.value = "";
  });

  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) zone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    takeFile(event.dataTransfer.files[0]);
  });

  document.addEventListener("paste", (event) => takeFile(event.clipboardData.files[0]));

  samples.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { src } = button.querySelector("img");
    take(async () => (await fetch(src)).blob(), button.dataset.name);
  });
}
