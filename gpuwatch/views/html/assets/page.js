"use strict";
// What needs no chart: the theme, copying a command.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function say() {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
    document.dispatchEvent(new Event("themechange"));
  }

  root.classList.add("js");
  for (const item of document.querySelectorAll("button[hidden]")) {
    if (!item.matches(".show")) item.hidden = false;
  }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    say();
  });
  system.addEventListener("change", say);
  for (const copy of document.querySelectorAll("[data-copy]")) {
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        copy.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(copy.previousElementSibling);
        copy.textContent = "Selected";
      }
    });
  }
  say();
})();
