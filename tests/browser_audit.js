// Returns what is wrong with the page, as lists that should be empty (and a few counts).
const wide = [], pictures = [], headings = [], unnamed = [], pale = [];
const width = document.documentElement.clientWidth;
const all = [...document.body.querySelectorAll("*")];
const name = (e) => e.tagName.toLowerCase() + (e.className && e.className.baseVal === undefined
  ? "." + e.className : "") + " " + (e.textContent || "").trim().slice(0, 40);

function scrolls(element) {
  for (let e = element.parentElement; e; e = e.parentElement)
    if (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX)) return true;
  return false;
}

function colour(text) {
  const parts = text.match(/[\d.]+/g).map(Number);
  return parts.length > 3 ? parts : [...parts, 1];
}

function over(top, below) {
  return [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
}

function behind(element) {
  const layers = [];
  for (let e = element; e; e = e.parentElement) layers.push(colour(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
}

function luminance(rgb) {
  const [r, g, b] = rgb.slice(0, 3).map((v) => {
    v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

let texts = 0;
for (const e of all) {
  const box = e.getBoundingClientRect();
  if (box.width && (box.right > width + 0.5 || box.left < -0.5) && !scrolls(e))
    wide.push(`${name(e)}: ${Math.round(box.left)} to ${Math.round(box.right)} of ${width}`);
  const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (own && box.width && e.checkVisibility() && e.tagName !== "TITLE") {
    const style = getComputedStyle(e), vector = e instanceof SVGElement;
    const ink = colour(vector ? style.fill : style.color);
    if (ink[3] > 0) {
      const ground = behind(e), ratio = contrast(over(ink, ground), ground);
      texts += 1;
      if (ratio < 4.5) pale.push(`${name(e)}: ${ratio.toFixed(2)}`);
    }
  }
}
for (const image of document.images) {
  if (!image.complete || !image.naturalWidth) pictures.push("not decoded: " + image.src.slice(0, 60));
  if (!image.alt) unnamed.push("no alt text: " + image.src.slice(0, 60));
}
for (const svg of document.querySelectorAll("svg:not([aria-hidden])"))
  if (!svg.getAttribute("aria-label")) unnamed.push("svg without a name");
let level = 0;
for (const h of document.querySelectorAll("h1,h2,h3,h4")) {
  const now = Number(h.tagName[1]);
  if (now > level + 1) headings.push(`${name(h)} after level ${level}`);
  level = now;
}
for (const box of document.querySelectorAll("div,pre")) {
  const moves = box.scrollWidth > box.clientWidth + 1
    && /auto|scroll/.test(getComputedStyle(box).overflowX);
  if (moves && box.tabIndex < 0) unnamed.push("scrolls but takes no focus: " + name(box));
}
return {
  wide, pictures, headings, unnamed, pale, texts, images: document.images.length,
  page: document.documentElement.scrollWidth - width,
  scripts: document.scripts.length + document.querySelectorAll("[onerror],[onload],[onclick]").length,
};
