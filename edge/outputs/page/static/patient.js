// Who is examined: shown to the operator, entered or chosen from the worklist, forgotten with the next case.
const byId = (id) => document.getElementById(id);
const RETRY_MS = 1000;

export class Patient {
  constructor(complain) {
    this.complain = complain;
    this.case = this.opened = null; // the newest, and the one whose patient the dialog corrects
    this.asked = 0; // counts the questions: an answer to an older one may name the patient before
    byId("admit").addEventListener("click", () => this.open(false));
    byId("amend").addEventListener("click", () => this.open(true));
    byId("dismiss").addEventListener("click", () => byId("admission").close());
    byId("order").addEventListener("change", () => this.pick());
    byId("admission-form").addEventListener("submit", (event) => { event.preventDefault(); this.enter(); });
    byId("admission").addEventListener("close", () => { this.opened = null; byId("admission-form").reset(); byId("rejected").textContent = ""; });
  }

  // Asks again whenever another case has begun; viewers are told nothing.
  async see(number, { operator, dicom }) {
    if (this.opened !== null && number !== this.opened) {
      byId("admission").close();
      this.complain("another case has begun: nothing was corrected");
    }
    if (number === this.case) return;
    this.forget();
    this.case = number;
    if (operator && dicom) await this.ask();
    else byId("patient").textContent = dicom ? "shown to the operator only" : "not asked for: nothing here is written under a name (--dicom)";
  }

  // Nobody is named until the cart has said who it is.
  forget() {
    this.case = null;
    this.asked += 1;
    byId("patient").textContent = "–";
    byId("amend").hidden = true;
  }

  async ask() {
    const asked = this.asked += 1;
    byId("patient").textContent = "–";
    byId("amend").hidden = true;
    try {
      const answer = await fetch("/patient");
      const said = answer.ok ? await answer.json() : { words: (await answer.text()).trim(), entered: false };
      if (asked !== this.asked) return null;
      byId("admit").hidden = !answer.ok;
      byId("patient").textContent = said.words;
      byId("amend").hidden = !said.entered;
      return answer.ok ? said : null;
    } catch {
      // The next status asks again, after a while.
      setTimeout(() => { if (asked === this.asked) this.case = null; }, RETRY_MS);
      return null;
    }
  }

  // `correct` puts right what was typed; otherwise another patient's case begins.
  async open(correct) {
    const known = await this.ask();
    if (!known || (correct && !known.entered)) return;
    if (byId("admission").open) return; // pressed twice
    this.opened = correct ? known.case : null;
    byId("admission-title").textContent = correct ? "Correct patient" : "Enter patient";
    byId("begins").hidden = correct;
    byId("orders").hidden = correct || known.worklist.length === 0;
    if (correct) this.fill(known.details);
    byId("order").replaceChildren(new Option("none: type it in", ""), ...known.worklist.map(([key, words]) => new Option(words, key)));
    byId("rejected").textContent = known.problem;
    this.pick();
    byId("admission").showModal();
  }

  fill(details) {
    const [family, ...rest] = details.patient_name.split("^"), born = details.birth_date;
    byId("family").value = family;
    byId("given").value = rest.join("^"); // with all that the worklist says beside the given name
    byId("pid").value = details.patient_id;
    byId("born").value = born && `${born.slice(0, 4)}-${born.slice(4, 6)}-${born.slice(6)}`;
    byId("sex").value = details.sex;
    byId("accession").value = details.accession_number;
  }

  pick() {
    const chosen = byId("order").value !== "";
    byId("typed").hidden = chosen;
    byId("pid").required = !chosen;
  }

  async enter() {
    const value = (id) => byId(id).value.trim();
    const key = byId("order").value;
    const details = {
      patient_id: value("pid"), patient_name: [value("family"), value("given")].join("^").replace(/\^$/, ""),
      birth_date: value("born").replaceAll("-", ""), sex: value("sex"), accession_number: value("accession"),
    };
    const answer = await fetch("/patient", { method: "POST", body: JSON.stringify(key ? { key } : { details, correct: this.opened !== null, case: this.opened }) });
    if (!answer.ok) { byId("rejected").textContent = (await answer.text()).trim(); return; }
    byId("admission").close();
    await this.ask();
  }
}
