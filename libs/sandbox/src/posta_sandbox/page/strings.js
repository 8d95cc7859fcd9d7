// Every word the page shows, in each language it speaks.

const TABLE = {
  en: {
    skip: "Skip to the content", sandbox: "sandbox", parts: "Parts of the sandbox",
    tabMail: "Mail", tabFaults: "Faults", tabTraces: "Traces", rawHttp: "Raw HTTP",
    channels: "Channels", textChannels: "Text channels", directMessages: "Direct messages",
    youAre: "You are", messages: "Messages", command: "Command", question: "question", send: "Send",
    dmWith: "Posta (only the two of you)", noMessages: "Nothing has been said here yet.",
    topicOps: "What webhooks post arrives here",
    hint: "Enter sends, Shift+Enter starts a new line.",
    used: "{who} used", thinking: "Posta is thinking…", sending: "Sending…",
    noResponse: "The application did not respond", onlyYou: "Only you can see this",
    notShown: "Only {who} can see the answer.", app: "APP", webhook: "WEBHOOK", raw: "raw",
    apps: "Apps", cancel: "Cancel", formOpened: "A form was opened: {title}",
    rawOf: "Raw HTTP of this message", deleted: "This message was deleted.", edited: "(edited)",
    after: "acknowledged in {ms} ms", answeredIn: "answered in {s} s",
    connected: "live", disconnected: "The sandbox does not answer. Trying again…",
    sentTooLong: "Discord takes at most 6000 characters in an option.",
    hooks: "Webhooks of this channel", hookLeft: "{n} of {limit} calls left", hookCloses: "bucket closed, opens in {s} s", hookOpen: "open",
    hookDeleted: "deleted: calls get 404", hookRefused: "{n} × 429", hookDelete: "Delete", hookRestore: "Bring back", inThread: "in thread …{id}",
    // raw HTTP
    close: "Close", all: "All", callsOf: "Calls of one message", back: "Back to the list",
    showAll: "show all calls", noCalls: "No calls yet.", request: "Request", response: "Response",
    inProgress: "under way", cutOff: "cut off", bodyGone: "Headers and bodies of older calls are not kept.",
    service: "Service", emptyBody: "(empty)", sent: "sent", received: "received",
    // mail
    write: "Write as a customer", from: "From", to: "To", subject: "Subject", text: "Text",
    sendMail: "Send", inbox: "Inbox of {address}", customerBox: "Inboxes of customers",
    answering: "In reply to", reply: "Reply", cancelReply: "not a reply", emptyBox: "No mail.", noMailServer: "This sandbox runs without a mail server.",
    seen: "read", unseen: "unread", mailSent: "Sent.", automatic: "automatic", thread: "reply",
    headers: "Headers",
    // faults
    faultsIntro: "Break a part on purpose and see what Posta makes of it. Each fault strikes the next calls, or a share of them.",
    kind: "What happens", howMany: "For", next: "the next calls", share: "a share of calls", always: "all calls",
    count: "Number of calls", percent: "Percent of calls", seconds: "Seconds", status: "Status",
    retryAfter: "Retry after (s)", scope: "Scope", match: "Only if it contains", breakIt: "Break it",
    mend: "Mend", mendAll: "Mend everything", working: "Works as it should.", left: "{n} left",
    at: "Where", atCall: "at a call", atConnect: "at the connection",
    "fault.latency": "Latency: the answer waits", "fault.429": "429: rate limited",
    "fault.5xx": "5xx: the server fails", "fault.reset": "Reset: connection refused work",
    "fault.hang": "Hang: no answer at all", "fault.truncated": "Truncated: half an answer",
    "fault.lost_answer": "Lost answer: done, but not told",
    "part.discord": "Discord", "part.llm": "LLM", "part.smtp": "Mail out (SMTP)", "part.imap": "Mail in (IMAP)",
    llmManners: "LLM manners", latency: "Thinking time (s)", answerChars: "Answers at least this long (characters)",
    rpm: "Requests per minute", tpm: "Tokens per minute", noLimit: "no limit", apply: "Apply", applied: "Applied.",
    // traces
    noTraces: "No trace has arrived. Ask something first.", spans: "{n} spans", span1: "1 span", errors: "errors: {n}",
    chooseTrace: "Choose a trace to see where its time went.", attributes: "Attributes", links: "Links",
    traceList: "Newest traces", singleSpans: "Also those of one span", toTrace: "See its trace", started: "started", duration: "took",
  },
  es: {
    skip: "Saltar al contenido", sandbox: "sandbox", parts: "Partes del sandbox",
    tabMail: "Correo", tabFaults: "Fallos", tabTraces: "Trazas", rawHttp: "HTTP en crudo",
    channels: "Canales", textChannels: "Canales de texto", directMessages: "Mensajes directos",
    youAre: "Eres", messages: "Mensajes", command: "Comando", question: "pregunta", send: "Enviar",
    dmWith: "Posta (a solas contigo)", noMessages: "Aquí aún no se ha dicho nada.",
    topicOps: "Aquí llega lo que publican los webhooks",
    hint: "Intro envía, Mayús+Intro empieza otra línea.",
    used: "{who} usó", thinking: "Posta está pensando…", sending: "Enviando…",
    noResponse: "La aplicación no ha respondido", onlyYou: "Solo tú puedes ver esto",
    notShown: "Solo {who} puede ver la respuesta.", app: "APP", webhook: "WEBHOOK", raw: "crudo",
    apps: "Aplicaciones", cancel: "Cancelar", formOpened: "Se abrió un formulario: {title}",
    rawOf: "HTTP en crudo de este mensaje", deleted: "Este mensaje se ha borrado.", edited: "(editado)",
    after: "confirmado en {ms} ms", answeredIn: "respondido en {s} s",
    connected: "en vivo", disconnected: "El sandbox no responde. Se sigue intentando…",
    sentTooLong: "Discord admite 6000 caracteres como máximo en una opción.",
    hooks: "Webhooks de este canal", hookLeft: "quedan {n} de {limit} llamadas", hookCloses: "cerrado, abre en {s} s", hookOpen: "abierto",
    hookDeleted: "borrado: las llamadas reciben 404", hookRefused: "{n} × 429", hookDelete: "Borrar", hookRestore: "Restaurar", inThread: "en el hilo …{id}",
    close: "Cerrar", all: "Todas", callsOf: "Llamadas de un mensaje", back: "Volver a la lista",
    showAll: "ver todas las llamadas", noCalls: "Aún no hay llamadas.", request: "Petición", response: "Respuesta",
    inProgress: "en curso", cutOff: "cortada", bodyGone: "De llamadas antiguas no se guardan cabeceras ni cuerpos.",
    service: "Servicio", emptyBody: "(vacío)", sent: "enviada", received: "recibida",
    write: "Escribir como cliente", from: "De", to: "Para", subject: "Asunto", text: "Texto",
    sendMail: "Enviar", inbox: "Bandeja de {address}", customerBox: "Bandejas de los clientes",
    answering: "En respuesta a", reply: "Responder", cancelReply: "no es respuesta", emptyBox: "No hay correo.", noMailServer: "Este sandbox funciona sin servidor de correo.",
    seen: "leído", unseen: "sin leer", mailSent: "Enviado.", automatic: "automático", thread: "respuesta",
    headers: "Cabeceras",
    faultsIntro: "Rompe una parte a propósito y mira qué hace Posta. Cada fallo afecta a las próximas llamadas o a una parte de ellas.",
    kind: "Qué ocurre", howMany: "Para", next: "las próximas llamadas", share: "una parte de las llamadas", always: "todas las llamadas",
    count: "Número de llamadas", percent: "Porcentaje de llamadas", seconds: "Segundos", status: "Código",
    retryAfter: "Reintentar tras (s)", scope: "Ámbito", match: "Solo si contiene", breakIt: "Romper",
    mend: "Arreglar", mendAll: "Arreglar todo", working: "Funciona como debe.", left: "quedan {n}",
    at: "Dónde", atCall: "en una llamada", atConnect: "en la conexión",
    "fault.latency": "Latencia: la respuesta tarda", "fault.429": "429: límite de uso",
    "fault.5xx": "5xx: el servidor falla", "fault.reset": "Corte: la conexión se rechaza",
    "fault.hang": "Silencio: nunca responde", "fault.truncated": "A medias: media respuesta",
    "fault.lost_answer": "Respuesta perdida: hecho, pero sin avisar",
    "part.discord": "Discord", "part.llm": "LLM", "part.smtp": "Correo saliente (SMTP)", "part.imap": "Correo entrante (IMAP)",
    llmManners: "Modales del LLM", latency: "Tiempo de pensar (s)", answerChars: "Longitud mínima de respuesta (caracteres)",
    rpm: "Peticiones por minuto", tpm: "Tokens por minuto", noLimit: "sin límite", apply: "Aplicar", applied: "Aplicado.",
    noTraces: "No ha llegado ninguna traza. Pregunta algo primero.", spans: "{n} tramos", span1: "1 tramo", errors: "errores: {n}",
    chooseTrace: "Elige una traza para ver en qué se fue el tiempo.", attributes: "Atributos", links: "Enlaces",
    traceList: "Trazas más recientes", singleSpans: "También las de un solo tramo", toTrace: "Ver su traza", started: "empezó", duration: "duró",
  },
};

let language = remembered() ?? (navigator.language.toLowerCase().startsWith("es") ? "es" : "en");

function remembered() {
  const found = localStorage.getItem("posta-language");
  return found in TABLE ? found : null;
}

export const currentLanguage = () => language;
export const otherLanguage = () => (language === "en" ? "es" : "en");

export function setLanguage(next) {
  language = next;
  localStorage.setItem("posta-language", next);
}

export function t(key, values = {}) {
  const text = TABLE[language][key] ?? TABLE.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function translateDocument() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-i18n]")) node.textContent = t(node.dataset.i18n);
  for (const node of document.querySelectorAll("[data-i18n-label]")) node.setAttribute("aria-label", t(node.dataset.i18nLabel));
}

export const time = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
