// Places for the nodes of a graph, in columns from left to right: exchanges (one behind the other where they are bound
// to each other), queues, consumers. An edge that passes a column has a point of its own there, so that it does not run
// behind a node. Within a column everything goes where it is joined to, found by sweeping back and forth a few times;
// then each column is moved so that lines are short.

export const NODE = { width: 176, height: 42 };
const GAP = { x: 150, y: 14 };
const SWEEPS = 8;
const DEPTH_MAX = 6;

/** Gives each node of `nodes` (a Map) x and y. Returns {width, height, ways, points}: which points an edge passes. */
export function layOut(nodes, edges) {
  const forward = edges.filter((edge) => !edge.dead);
  const columns = columnsOf(nodes, forward);
  const { points, ways, joins } = pass(nodes, forward, columns);
  const all = new Map([...nodes, ...points]);
  for (const column of columns) place(column, all);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const column of sweep % 2 ? [...columns].reverse() : columns) {
      const wish = new Map(column.map((id) => [id, middle(joins.get(id), all) ?? all.get(id).y]));
      column.sort((one, other) => wish.get(one) - wish.get(other));
      place(column, all);
    }
  }
  const tallest = Math.max(...columns.map((column) => column.length));
  for (const [at, column] of columns.entries()) spread(column, all, joins, at, tallest);
  const bottom = Math.max(...[...nodes.values()].map(({ y }) => y)) + NODE.height;
  const top = Math.min(...[...nodes.values()].map(({ y }) => y));
  for (const each of all.values()) each.y -= top;
  return { width: columns.length * (NODE.width + GAP.x) - GAP.x, height: bottom - top, ways, points };
}

function columnsOf(nodes, edges) {
  const depths = new Map();
  const depth = (id, way) => {
    if (depths.has(id)) return depths.get(id);
    if (way.has(id)) return 0; // bound in a circle
    way.add(id);
    const sources = edges.filter(({ from, to }) => to === id && from.startsWith("x/"));
    const found = Math.min(DEPTH_MAX, Math.max(-1, ...sources.map(({ from }) => depth(from, way))) + 1);
    way.delete(id);
    depths.set(id, found);
    return found;
  };
  const exchanges = [...nodes.keys()].filter((id) => id.startsWith("x/"));
  const deepest = Math.max(-1, ...exchanges.map((id) => depth(id, new Set())));
  const columns = Array.from({ length: deepest + 3 }, () => []);
  for (const id of nodes.keys()) {
    columns[id.startsWith("x/") ? depths.get(id) : id.startsWith("q/") ? deepest + 1 : deepest + 2].push(id);
  }
  const used = columns.filter((column) => column.length);
  for (const [at, column] of used.entries()) {
    for (const id of column) Object.assign(nodes.get(id), { column: at, x: at * (NODE.width + GAP.x) });
  }
  return used;
}

/** Points in the columns that edges pass, and who is joined to whom when they are taken as stops. */
function pass(nodes, edges, columns) {
  const [points, ways] = [new Map(), new Map()];
  const joins = new Map([...nodes.keys()].map((id) => [id, []]));
  for (const { id, from, to } of edges) {
    const stops = [];
    for (let column = nodes.get(from).column + 1; column < nodes.get(to).column; column += 1) {
      const point = `p/${id}/${column}`;
      points.set(point, { column, x: column * (NODE.width + GAP.x), y: 0 });
      columns[column].push(point);
      joins.set(point, []);
      stops.push(point);
    }
    if (stops.length) ways.set(id, stops);
    const way = [from, ...stops, to];
    for (let at = 1; at < way.length; at += 1) {
      joins.get(way[at - 1]).push(way[at]);
      joins.get(way[at]).push(way[at - 1]);
    }
  }
  return { points, ways, joins };
}

function place(column, all) {
  for (const [at, id] of column.entries()) all.get(id).y = at * (NODE.height + GAP.y);
}

function middle(ids, all) {
  return ids.length ? ids.reduce((sum, id) => sum + all.get(id).y, 0) / ids.length : undefined;
}

/** Put a column's nodes at the height of what they are joined to, as far as they do not come too near each other. */
function spread(column, all, joins, at, tallest) {
  const step = NODE.height + GAP.y;
  const room = tallest * step;
  let least = 0;
  for (const [index, id] of column.entries()) {
    const before = joins.get(id).filter((other) => all.get(other).column < at);
    const wish = at === 0 ? (room - column.length * step) / 2 + index * step : (middle(before, all) ?? least);
    const most = Math.max(least, room - (column.length - index) * step);
    all.get(id).y = Math.min(Math.max(wish, least), most);
    least = all.get(id).y + step;
  }
}
