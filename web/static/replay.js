/* Says beside the slider which event it stands on. */
const slider = document.querySelector("input[data-replay]"), go = document.querySelector("button[data-replay-go]");

if (slider && go) {
  const number = new Intl.NumberFormat("en");
  const tell = () => {
    go.textContent = `Go to event ${number.format(slider.value)}`;
    slider.setAttribute("aria-valuetext", `event ${number.format(slider.value)}`);
  };
  slider.addEventListener("input", tell);
  tell();
}
