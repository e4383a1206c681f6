// Line drawings on a grid of 24, all of one weight. They are decoration: what they stand for is said in words beside.

import { s } from "./dom.js";

const SHAPES = {
  overview: ["M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z"],
  topology: ["M3 9h5v6H3zM16 3h5v6h-5zM16 15h5v6h-5z", "M8 12h4M12 6v12M12 6h4M12 18h4"],
  connections: ["M9 7V3M15 7V3M7 7h10v4a5 5 0 0 1-10 0zM12 16v5"],
  channels: ["M4 7h16M4 12h16M4 17h16", "M8 5v4M15 10v4M10 15v4"],
  sessions: ["M5 12a7 7 0 0 1 14 0M8.500 12.500a3.500 3.500 0 0 1 7 0", "M12 13v8M9 21h6"],
  exchanges: ["M4 8h13l-3-3M20 16H7l3 3"],
  queues: ["M4 5h16v4H4zM4 10.500h16v4H4zM4 16h16v4H4z"],
  policies: ["M6 3h9l4 4v14H6z", "M15 3v4h4M9 12h7M9 16h5"],
  users: [
    "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 20c0-3.500 2.500-6 6-6s6 2.500 6 6",
    "M16 4.500a3.500 3.500 0 0 1 0 6M17.500 14.300c2.200.8 3.500 2.900 3.500 5.700",
  ],
  vhosts: ["M12 3l9 5-9 5-9-5zM3 12.500l9 5 9-5M3 17l9 5 9-5"],
  shovels: ["M3 12h12M11 8l4 4-4 4M19 4v16"],
  parameters: [
    "M4 7h10M18 7h2M4 17h2M10 17h10",
    "M14 7a2 2 0 1 0 4 0 2 2 0 0 0-4 0zM6 17a2 2 0 1 0 4 0 2 2 0 0 0-4 0z",
  ],
  definitions: ["M12 3v11M8 10l4 4 4-4M4 16v4h16v-4"],
  menu: ["M4 7h16M4 12h16M4 17h16"],
  close: ["M6 6l12 12M18 6L6 18"],
  check: ["M5 12.500l4.500 4.500L19 7"],
  alert: ["M12 4l9 16H3z", "M12 10v4M12 17v.200"],
  info: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 8v.200"],
  search: ["M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.500 4.500"],
  sun: ["M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z", "M12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2"],
  moon: ["M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500z"],
  auto: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18M12 8l5.500-1.500M12 13l8.500-2M12 18l6-1.500"],
  globe: ["M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18"],
  keyboard: ["M3 6h18v12H3z", "M7 10v.100M11 10v.100M15 10v.100M18 10v.100M8 14h8"],
  logout: ["M10 4H5v16h5M15 8l4 4-4 4M19 12H9"],
  plus: ["M12 5v14M5 12h14"],
  trash: ["M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13M10 11v5M14 11v5"],
  more: ["M5 12v.100M12 12v.100M19 12v.100"],
  down: ["M6 9l6 6 6-6"],
  right: ["M9 6l6 6-6 6"],
  left: ["M15 6l-6 6 6 6"],
  send: ["M21 3L3 10.500l7 3 3 7z", "M10 13.500L21 3"],
  eye: [
    "M2.500 12C5 7.500 8 5.500 12 5.500s7 2 9.500 6.500c-2.500 4.500-5.500 6.500-9.500 6.500S5 16.500 2.500 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  ],
  move: ["M4 5v14M8 12h12M16 8l4 4-4 4"],
  copy: ["M8 8h12v12H8z", "M16 8V4H4v12h4"],
  replay: ["M4 12a8 8 0 1 0 2.500-5.800M4 4v5h5"],
  link: [
    "M10 14a4 4 0 0 0 6 .500l3-3a4 4 0 0 0-6-6l-1.500 1.500M14 10a4 4 0 0 0-6-.500l-3 3a4 4 0 0 0 6 6l1.500-1.500",
  ],
  lock: ["M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3"],
  upload: ["M12 15V4M8 8l4-4 4 4M4 16v4h16v-4"],
  fit: ["M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"],
};

export function icon(name, size = 16) {
  return s(
    "svg",
    { viewBox: "0 0 24 24", width: size, height: size, class: "icon", "aria-hidden": "true" },
    SHAPES[name].map((d) => s("path", { d })),
  );
}

/** The tail of a lyrebird. */
export function logo(size = 26) {
  return s(
    "svg",
    { viewBox: "0 0 32 32", width: size, height: size, class: "logo", "aria-hidden": "true" },
    s("rect", { width: 32, height: 32, rx: 7 }),
    s("path", { class: "plume", d: "M15 26C15 18 7 17 7.500 10.500C7.800 6.500 12 6.500 12 10" }),
    s("path", { class: "plume", d: "M17 26C17 18 25 17 24.500 10.500C24.200 6.500 20 6.500 20 10" }),
    s("path", { class: "string", d: "M16 24V9" }),
  );
}
