// The frozen student in the page: its ONNX file on a WebAssembly runtime that lies beside the site.
import * as ort from "onnxruntime-web/wasm";
import {load, requireWasm} from "../lib/load.js";
import {standardise} from "./features.js";

/**
 * Opens the student of a release. `score(graph)` resolves to P(attack) of a window from `features.windowGraph`.
 * `student`: {dataset, seed}.
 */
export async function openDetector(release, {dataset, seed}) {
  requireWasm();
  const file = (suffix) => new URL(`weights/${dataset}/gat-student-s${seed}.${suffix}`, release.base);
  ort.env.wasm.numThreads = 1; // more need headers that a static host cannot send
  const bytes = (response) => response.arrayBuffer();
  const [meta, network, runtime] = await Promise.all([
    load(file("json"), (response) => response.json()),
    load(file("onnx"), bytes),
    load(new URL("../onnx/ort-wasm-simd-threaded.wasm", release.base), bytes)
  ]);
  ort.env.wasm.wasmBinary = runtime;
  const session = await ort.InferenceSession.create(new Uint8Array(network), {executionProviders: ["wasm"]});
  const {nodes, edges} = meta.scalers;

  const score = async (graph) => {
    const [n, e] = [graph.ids.length, graph.source.length];
    const feeds = {
      x: new ort.Tensor("float32", standardise(graph.x, nodes), [n, nodes.mean.length]),
      edge_index: new ort.Tensor("int64", BigInt64Array.from([...graph.source, ...graph.target], BigInt), [2, e]),
      edge_attr: new ort.Tensor("float32", standardise(graph.edges, edges), [e, edges.mean.length]),
      share: new ort.Tensor("float32", graph.share, [n])
    };
    const {p_attack: p} = await session.run(feeds);
    return p.data[0];
  };
  return {score, points: meta.points};
}
