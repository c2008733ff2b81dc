/* Keeps Allow disabled for the first 500 ms and until the page has focus, against double-click hijacking. */
const allow = document.querySelector("button[name='decision'][value='approve']");
const WAIT = 500;
let timer = 0;

function settle() {
  clearTimeout(timer);
  allow.disabled = true;
  if (document.hasFocus() && document.visibilityState === "visible") {
    timer = setTimeout(() => { allow.disabled = false; }, WAIT);
  }
}

if (allow) {
  settle();
  addEventListener("focus", settle);
  addEventListener("blur", settle);
  addEventListener("pageshow", settle);
  document.addEventListener("visibilitychange", settle);
}
