/* Says beside the sliders which events they stand on, and keeps the first before the second. */
const [from, to] = document.querySelectorAll("input[data-replay]"), go = document.querySelector("button[data-replay-go]");

if (from && to && go) {
  const number = new Intl.NumberFormat("en");
  const tell = moved => {
    const still = moved === from ? to : from;
    if (Number(from.value) > Number(to.value)) still.value = moved.value;
    go.textContent = `Compare events ${number.format(from.value)} and ${number.format(to.value)}`;
    for (const slider of [from, to]) slider.setAttribute("aria-valuetext", `event ${number.format(slider.value)}`);
  };
  for (const slider of [from, to]) slider.addEventListener("input", () => tell(slider));
  tell(from);
}
