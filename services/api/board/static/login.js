import { pageData } from "./dom.js";
import { installLanguageButton, onLanguage } from "./texts.js";

document.getElementById("wrong").hidden = !pageData().wrong;
installLanguageButton();
onLanguage(() => {});
