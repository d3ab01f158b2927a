// A window of frames as the graph the models see.

/**
 * Nodes and edges of a window. `rows`: rows of `graphs` of one window, in order.
 * A node is a CAN ID with its number of frames and of injected frames; an edge joins the IDs of consecutive frames and counts them.
 */
export function toGraph(rows) {
  const nodes = new Map();
  const edges = new Map();
  rows.forEach((row, i) => {
    const node = nodes.get(row.id) ?? {id: row.id, count: 0, injected: 0};
    node.count += 1;
    node.injected += row.label;
    nodes.set(row.id, node);
    if (i === 0) return;
    const key = `${rows[i - 1].id}>${row.id}`;
    const edge = edges.get(key) ?? {source: rows[i - 1].id, target: row.id, count: 0};
    edge.count += 1;
    edges.set(key, edge);
  });
  return {nodes: [...nodes.values()], edges: [...edges.values()]};
}

/** A CAN ID as it is written: three hexadecimal digits, eight for an extended one. */
export const hex = (id) => id.toString(16).toUpperCase().padStart(id > 0x7ff ? 8 : 3, "0");
