/* Shows the copy buttons and says "Copied" in a live region. */
const said = document.createElement("p");
said.className = "sr said";
said.setAttribute("role", "status");
document.body.append(said);

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const text = "value" in source ? source.value : source.textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    said.textContent = "Copied";
    button.dataset.done = "";
    button.title = "Copied";
  } catch {
    if (source.select) source.select();
    said.textContent = "Could not copy. The text is selected.";
  }
  setTimeout(() => { said.textContent = ""; button.removeAttribute("title"); delete button.dataset.done; }, 4000);
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}
