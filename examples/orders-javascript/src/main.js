// Rules of an order desk. All money is in cents.

import { extension, InvalidInput, kv, log } from "@oriel/extension";

/** @typedef {{ country: string, lines: { name: string, cents: number, quantity: number }[] }} Order */

/** @type {import("@oriel/extension").Hook<Order, object, { rates: Record<string, number> }>} */
function addTax({ payload: order }, { config: { rates } }) {
  if (!Array.isArray(order.lines)) throw new InvalidInput("an order has lines");
  const net = order.lines.reduce((sum, { cents, quantity }) => sum + cents * quantity, 0);
  const tax = Math.floor((net * (rates[order.country] ?? 0) + 50) / 100);
  return { ...order, net, tax, gross: net + tax };
}

/** @type {import("@oriel/extension").Hook<Order, import("@oriel/extension").Verdict | boolean, { most?: number }>} */
function notTooMany({ payload: { lines } }, { config: { most = 100 } }) {
  if (lines.length === 0) return { valid: false, message: "the order is empty" };
  return lines.length > most ? { valid: false, message: `${lines.length} lines are more than ${most}` } : true;
}

/** @type {import("@oriel/extension").Validator<unknown, { net: number, tax: number, gross: number }>} */
function addsUp({ execution: { output, failure } }) {
  if (failure !== undefined) throw new InvalidInput(`the execution failed: ${failure.code}`);
  const difference = output.gross - output.net - output.tax;
  if (difference === 0) return { valid: true, score: 1 };
  return { valid: false, message: `gross is off by ${difference}`, details: { difference } };
}

/** @type {import("@oriel/extension").Sampler<unknown, { gross: number }, { from?: number }>} */
function largeOrders({ output }, { sinceLast }, { config: { from = 100_000 } }) {
  if (output?.gross >= from) return { sample: true, reason: "large" };
  return sinceLast + 1 >= 100 ? { sample: true, reason: "its turn" } : false;
}

/** @type {import("@oriel/extension").EventHandler<{ country: string, cents: number }>} */
function countRefund({ data, subject }) {
  if (typeof data?.country !== "string" || !Number.isInteger(data.cents)) throw new InvalidInput("a refund has a country and cents");
  kv.increment(`refunds:${data.country}`, data.cents);
  log.info("refund counted", { order: subject });
}

function refundReport() {
  const countries = {};
  for (const key of kv.keys("refunds:")) countries[key.slice("refunds:".length)] = Number(kv.getText(key));
  return { total: Object.values(countries).reduce((sum, cents) => sum + cents, 0), countries };
}

export default extension({
  hooks: { "add-tax": addTax, "not-too-many": notTooMany },
  validators: { "adds-up": addsUp },
  samplers: { "large-orders": largeOrders },
  eventHandlers: { "count-refund": countRefund },
  jobs: { "refund-report": refundReport },
});
