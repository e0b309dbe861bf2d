// The words of the page in English and French, and the one function that looks them up.

const en = {
  skip: "Skip to content", retry: "Retry", sign_out: "Sign out", pause: "Pause", resume: "Resume",
  pause_label: "Pause automatic refresh", resume_label: "Resume automatic refresh",
  to_dark: "Dark", to_light: "Light", to_dark_label: "Switch to the dark theme", to_light_label: "Switch to the light theme",
  updated: "Updated {time}", paused: "Paused at {time}", footer: "secmon seals every record; “secmon verify” proves that nothing was changed.",
  unreachable: "The service cannot be reached. What you see may be out of date.",
  partly: "Part of the data could not be loaded: {what}", back: "The service answers again.",

  signin_title: "Sign in", signin: "Sign in", token: "API token",
  signin_help: "Enter an API token of this service, or open the setup link that it printed at its start.",
  signin_hint: "A token is made on the server with", signin_bad: "This token is not known, or it has expired.",
  signin_failed: "Sign-in failed: {what}",
  setup_title: "Keep these",
  setup_lead: "From now on, this service seals every record. Store what follows outside this machine before you go on.",
  setup_gone: "This setup link has expired or was already used. Start secmon again for a fresh one, or sign in with a token.",
  vkey: "Verification key", once: "shown only this once", k0: "First sealing key",
  vkey_why: "This key proves later that nothing was changed. Keep a copy where the administrators of this machine cannot write: a key that reached the verifier by another way cannot be swapped together with the records.",
  k0_why: "This secret is for your auditor. With it, even somebody who later steals the keys of this machine cannot rewrite, unseen, what was sealed up to the last checkpoint before the theft. secmon does not show it again.",
  copy: "Copy", copied: "Copied", copy_hand: "Selected: copy it with Ctrl+C", continue: "I have kept them – continue",

  summary: "Summary", charts: "Last 24 hours", open_incidents: "Open incidents", none_open: "None open",
  records_sealed: "Records sealed", events_24h: "Events, last 24 h", failures_24h: "Failures, last 24 h",
  checkpoint: "Last checkpoint", checkpoint_sub: "{n} records · epoch {epoch}", no_checkpoint: "None yet",
  checkpoint_wait: "The first one is signed soon",
  streams_hosts: "{streams} · {hosts}", streams: "{n} streams", streams_one: "{n} stream", hosts_n: "{n} hosts", hosts_n_one: "{n} host",
  of_events: "{pct} of all events", per_hour: "about {n} an hour", ago: "{time} ago",

  by_outcome: "Events by outcome", success: "Success", failure: "Failure", unknown: "Unknown", outcome: "Outcome",
  count: "Count", share: "Share", events: "events", by_hour: "Activity by hour", hour: "Hour", all_events: "Events", of_failures: "of which failures",
  top_ips: "Top failing addresses", address: "Address", failures: "Failures", data_table: "Data table",
  desc_outcomes: "{success} succeeded, {failure} failed, {unknown} without a known outcome.",
  desc_hours: "Busiest hour: {hour} with {n} events. {failures} failures in all.",
  desc_top: "Most failures: {value} with {n}.",
  no_events: "No events in the last 24 h.", no_failing: "No failing addresses in the last 24 h.",
  no_incidents: "No open incident. New ones appear here by themselves.",
  no_records: "No records yet. Send events to /api/v1/events or run “secmon ingest”.",
  no_match: "No record matches this filter.", none_so_far: "None among the records looked at so far: Older goes on.", text: "Words", no_hosts: "No host has been seen yet.", no_metrics: "No measurements: no probe runs on this host.",
  no_history: "No measurements of this host in the last 24 h.",

  level: "Level", informational: "Information", low: "Low", medium: "Medium", high: "High", critical: "Critical", any: "Any",
  incident: "Incident", group: "Group", first: "First", last: "Last", more: "first {n} shown",
  hosts: "Hosts", host: "Host", cpu: "CPU", memory: "Memory", disk: "Disk {at}", users_in: "Logged in", nobody: "nobody",
  seen: "seen {time} ago", history: "CPU and memory of {host}", show_history: "Show the history of {host}", time: "Time",
  latest_records: "Latest records", filter_records: "Filter the records", source_ip: "Source address", user: "User",
  level_min: "Level at least", apply: "Apply", clear: "Clear", older: "Older", newest: "Newest", pages: "Pages of records",
  older_page: "An older page: it is not refreshed", ahead: "There are records dated later than now", shows_ahead: "Records dated later than now: clocks that are ahead", show_ahead: "Show them", show_now: "Show those up to now", action_outcome: "Outcome, action", message: "Message", details: "Details of record {seq}",
  stream: "Stream", origin: "Origin", seq: "Index", leaf: "Leaf", sealed_at: "Sealed at", expires: "Expires",
  filter_by: "Show the records with {field} {value}", shown: "{n} records shown", shown_one: "{n} record shown",
  new_incidents: "{n} open incidents", new_incidents_one: "{n} open incident",

  nav: "Pages of the dashboard", overview: "Overview", integrity: "Integrity",
  last_verification: "Last verification", verify_now: "Verify now", sound: "Sound", wrong: "Something is wrong", never: "Not verified since the service started", running: "Verification is running…",
  finished: "Finished:", verified_what: "records: {n}, checkpoints: {checkpoints}, in {seconds} s", expired_n: "expired as announced: {n}", pruned_n: "pruned as announced: {n}", erased_n: "values erased as announced: {n}",
  verify_refused: "Only a token of the scope “admin” may start a verification.",
  limits: "What this cannot show: records behind the last checkpoint (at most about a second) can still be changed, unseen, by whoever controls this host. And here the host checks itself; for a proof, run “secmon verify” on another machine, with the verification key that you keep.",
  finding: "Finding", and_more: "+{n} more",
  altered: "Altered", bad_mac: "Wrong MAC", bad_seal: "Wrong seal", bad_signature: "Wrong signature", bad_tile: "Wrong tile",
  bad_value: "Value differs", column_mismatch: "Column differs", fork: "Forked", inserted: "Inserted", malformed: "Malformed", misplaced_key: "Misplaced key", missing: "Missing",
  reordered: "Reordered", rollback: "Rolled back", truncated: "Truncated", unannounced: "Removed unannounced",
  streams_title: "Streams", label: "Label", records: "Records", covered: "Covered by checkpoints", signing_epoch: "Signing epoch",
  state: "State", open: "Open", closed: "Closed", public_keys: "Public keys of {label}", stream_vkey: "The stream’s own key",
  checkpoints_title: "Checkpoints", size: "Size", root: "Root", note: "Note", show_note: "Signed note",
  proof_title: "Proof of a record", download_proof: "Download proof", proof: "Proof",
  proof_help: "The file proves to anybody, without access to this service, that a signed checkpoint covers the record.",
  anchors_title: "Anchors", kind: "Kind", place: "Place", file: "File", syslog: "Syslog", witness: "Witness",
  no_anchors: "No checkpoint has been put outside this host. Without an anchor or a witness, nobody can notice that the database and its key file were rolled back together.",
};

const fr = {
  skip: "Aller au contenu", retry: "Réessayer", sign_out: "Se déconnecter", pause: "Pause", resume: "Reprendre",
  pause_label: "Pause de l’actualisation automatique", resume_label: "Reprendre l’actualisation automatique",
  to_dark: "Sombre", to_light: "Clair", to_dark_label: "Passer au thème sombre", to_light_label: "Passer au thème clair",
  updated: "Actualisé à {time}", paused: "En pause depuis {time}", footer: "secmon scelle chaque enregistrement ; « secmon verify » prouve que rien n’a été modifié.",
  unreachable: "Le service est injoignable. Les données affichées peuvent être périmées.",
  partly: "Une partie des données n’a pas pu être chargée : {what}", back: "Le service répond de nouveau.",

  signin_title: "Connexion", signin: "Se connecter", token: "Jeton d’API",
  signin_help: "Saisissez un jeton d’API de ce service, ou ouvrez le lien d’installation qu’il a affiché à son démarrage.",
  signin_hint: "Un jeton se crée sur le serveur avec", signin_bad: "Ce jeton est inconnu ou a expiré.",
  signin_failed: "Échec de la connexion : {what}",
  setup_title: "À conserver",
  setup_lead: "Désormais, ce service scelle chaque enregistrement. Conservez ce qui suit hors de cette machine avant de continuer.",
  setup_gone: "Ce lien d’installation a expiré ou a déjà servi. Redémarrez secmon pour en obtenir un autre, ou connectez-vous avec un jeton.",
  vkey: "Clé de vérification", once: "affichée une seule fois", k0: "Première clé de scellement",
  vkey_why: "Cette clé prouvera plus tard que rien n’a été modifié. Gardez-en une copie là où les administrateurs de cette machine ne peuvent pas écrire : une clé parvenue au vérificateur par une autre voie ne peut pas être remplacée en même temps que les enregistrements.",
  k0_why: "Ce secret est destiné à votre auditeur. Grâce à lui, même quelqu’un qui volerait plus tard les clés de cette machine ne peut réécrire sans être vu ce qui était scellé au dernier point de contrôle avant le vol. secmon ne l’affichera plus.",
  copy: "Copier", copied: "Copié", copy_hand: "Sélectionné : copiez avec Ctrl+C", continue: "Je les ai conservées – continuer",

  summary: "Synthèse", charts: "Dernières 24 heures", open_incidents: "Incidents ouverts", none_open: "Aucun",
  records_sealed: "Enregistrements scellés", events_24h: "Événements, 24 h", failures_24h: "Échecs, 24 h",
  checkpoint: "Dernier point de contrôle", checkpoint_sub: "{n} enregistrements · époque {epoch}", no_checkpoint: "Aucun",
  checkpoint_wait: "Le premier sera bientôt signé",
  streams_hosts: "{streams} · {hosts}", streams: "{n} flux", streams_one: "{n} flux", hosts_n: "{n} hôtes", hosts_n_one: "{n} hôte",
  of_events: "{pct} des événements", per_hour: "environ {n} par heure", ago: "il y a {time}",

  by_outcome: "Événements par résultat", success: "Succès", failure: "Échec", unknown: "Inconnu", outcome: "Résultat",
  count: "Nombre", share: "Part", events: "événements", by_hour: "Activité par heure", hour: "Heure", all_events: "Événements", of_failures: "dont échecs",
  top_ips: "Adresses en échec", address: "Adresse", failures: "Échecs", data_table: "Tableau des données",
  desc_outcomes: "{success} réussis, {failure} en échec, {unknown} sans résultat connu.",
  desc_hours: "Heure la plus chargée : {hour} avec {n} événements. {failures} échecs au total.",
  desc_top: "Le plus d’échecs : {value} avec {n}.",
  no_events: "Aucun événement ces dernières 24 h.", no_failing: "Aucune adresse en échec ces dernières 24 h.",
  no_incidents: "Aucun incident ouvert. Les nouveaux apparaîtront ici d’eux-mêmes.",
  no_records: "Aucun enregistrement. Envoyez des événements à /api/v1/events ou lancez « secmon ingest ».",
  no_match: "Aucun enregistrement ne correspond à ce filtre.", none_so_far: "Aucun parmi les enregistrements examinés : Plus anciens continue.", text: "Mots", no_hosts: "Aucun hôte n’a encore été vu.", no_metrics: "Aucune mesure : aucune sonde ne tourne sur cet hôte.",
  no_history: "Aucune mesure de cet hôte ces dernières 24 h.",

  level: "Niveau", informational: "Information", low: "Faible", medium: "Moyen", high: "Élevé", critical: "Critique", any: "Tous",
  incident: "Incident", group: "Groupe", first: "Début", last: "Dernier", more: "les {n} premiers affichés",
  hosts: "Hôtes", host: "Hôte", cpu: "Processeur", memory: "Mémoire", disk: "Disque {at}", users_in: "Connectés", nobody: "personne",
  seen: "vu il y a {time}", history: "Processeur et mémoire de {host}", show_history: "Afficher l’historique de {host}", time: "Heure",
  latest_records: "Derniers enregistrements", filter_records: "Filtrer les enregistrements", source_ip: "Adresse source", user: "Utilisateur",
  level_min: "Niveau minimal", apply: "Appliquer", clear: "Effacer", older: "Plus anciens", newest: "Plus récents", pages: "Pages d’enregistrements",
  older_page: "Page plus ancienne : elle n’est pas actualisée", action_outcome: "Résultat, action", message: "Message", details: "Détails de l’enregistrement {seq}",
  stream: "Flux", origin: "Origine", seq: "Indice", leaf: "Feuille", sealed_at: "Scellé le", expires: "Expire",
  filter_by: "Afficher les enregistrements avec {field} {value}", shown: "{n} enregistrements affichés", shown_one: "{n} enregistrement affiché",
  new_incidents: "{n} incidents ouverts", new_incidents_one: "{n} incident ouvert",

  nav: "Pages du tableau de bord", overview: "Vue d’ensemble", integrity: "Intégrité",
  last_verification: "Dernière vérification", verify_now: "Vérifier maintenant", sound: "Intact", wrong: "Anomalie détectée", never: "Pas vérifié depuis le démarrage du service", running: "Vérification en cours…",
  finished: "Terminée :", verified_what: "enregistrements : {n}, points de contrôle : {checkpoints}, en {seconds} s", expired_n: "expirés comme annoncé : {n}", pruned_n: "élagués comme annoncé : {n}", erased_n: "valeurs effacées comme annoncé : {n}",
  verify_refused: "Seul un jeton de portée « admin » peut lancer une vérification.",
  limits: "Ce que cette page ne peut pas montrer : les enregistrements postérieurs au dernier point de contrôle (une seconde environ, au plus) peuvent encore être modifiés sans être vu par qui contrôle cet hôte. De plus, l’hôte se vérifie ici lui-même ; pour une preuve, lancez « secmon verify » sur une autre machine, avec la clé de vérification que vous conservez.",
  finding: "Constat", and_more: "+{n} autres", and_more_one: "+{n} autre",
  altered: "Modifié", bad_mac: "MAC incorrect", bad_seal: "Sceau incorrect", bad_signature: "Signature incorrecte", bad_tile: "Tuile incorrecte",
  bad_value: "Valeur différente", column_mismatch: "Colonne différente", fork: "Bifurcation", inserted: "Inséré", malformed: "Malformé", misplaced_key: "Clé mal placée", missing: "Manquant",
  reordered: "Déplacé", rollback: "Retour en arrière", truncated: "Tronqué", unannounced: "Retiré sans annonce",
  streams_title: "Flux", label: "Libellé", records: "Enregistrements", covered: "Couverts par un point de contrôle", signing_epoch: "Époque de signature",
  state: "État", open: "Ouvert", closed: "Fermé", public_keys: "Clés publiques de {label}", stream_vkey: "Clé propre au flux",
  checkpoints_title: "Points de contrôle", size: "Taille", root: "Racine", note: "Note", show_note: "Note signée",
  proof_title: "Preuve d’un enregistrement", download_proof: "Télécharger la preuve", proof: "Preuve",
  proof_help: "Le fichier prouve à quiconque, sans accès à ce service, qu’un point de contrôle signé couvre l’enregistrement.",
  anchors_title: "Ancrages", kind: "Type", place: "Emplacement", file: "Fichier", syslog: "Syslog", witness: "Témoin",
  no_anchors: "Aucun point de contrôle n’a été déposé hors de cet hôte. Sans ancrage ni témoin, nul ne peut remarquer que la base et son fichier de clés ont été ramenés ensemble en arrière.",
};

const WORDS = { en, fr };
let current = "en";

/** Returns what was kept under `key`, or null. */
export function kept(key) {
  try { return localStorage.getItem(`secmon.${key}`); } catch { return null; }
}

/** Keeps `value` under `key`, where the browser allows it. */
export function keep(key, value) {
  try { localStorage.setItem(`secmon.${key}`, value); } catch { /* storage is blocked */ }
}

/** Returns the language in use, `en` or `fr`. */
export const lang = () => current;

/** Returns the browser's regional form of the language in use, such as `en-GB`, for dates and numbers. */
export const locale = () => (navigator.languages ?? []).find((l) => l.slice(0, 2) === current) ?? current;

/** Changes the language and the static words of the page. */
export function setLang(next) {
  current = next in WORDS ? next : "en";
  document.documentElement.lang = current;
  for (const el of document.querySelectorAll("[data-i18n]")) el.textContent = t(el.dataset.i18n);
  for (const el of document.querySelectorAll("[data-i18n-label]")) el.setAttribute("aria-label", t(el.dataset.i18nLabel));
}

/** Chooses the kept language, else the browser's. */
export function initLang() {
  const wanted = kept("lang") ?? (navigator.languages ?? [navigator.language]).map((l) => l.slice(0, 2)).find((l) => l in WORDS);
  setLang(wanted ?? "en");
}

/** Returns the words for `key`; `{name}` is replaced from `values`, and numbers are written as the language does. */
export function t(key, values = {}) {
  const words = WORDS[current];
  const one = typeof values.n === "number" && new Intl.PluralRules(current).select(values.n) === "one";
  const text = (one && words[`${key}_one`]) || words[key] || key;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? new Intl.NumberFormat(locale()).format(value) : String(value ?? "");
  });
}
