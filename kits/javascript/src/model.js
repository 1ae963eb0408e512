// Completions by the model that the operator has set up.

import { hostCall, Internal } from "./errors.js";
import { host, narrow } from "./host.js";

function messagesOf(prompt, system) {
  const messages = typeof prompt === "string" ? [{ role: "user", content: prompt }] : [...prompt];
  return system === undefined ? messages : [{ role: "system", content: system }, ...messages];
}

export const model = {
  complete(prompt, { system, model: name, maxTokens, temperature, jsonSchema, stop = [] } = {}) {
    const request = {
      model: name,
      messages: messagesOf(prompt, system),
      maxTokens,
      temperature,
      jsonSchema: jsonSchema === undefined ? undefined : JSON.stringify(jsonSchema),
      stop,
    };
    const answer = hostCall(() => host("model", "model = {}").complete(request));
    return {
      text: answer.text,
      finishReason: answer.finishReason,
      inputTokens: narrow(answer.usage.inputTokens),
      outputTokens: narrow(answer.usage.outputTokens),
      model: answer.model,
    };
  },
  completeJson(prompt, schema, options = {}) {
    const answer = model.complete(prompt, { ...options, jsonSchema: schema });
    try {
      return JSON.parse(answer.text);
    } catch (error) {
      throw new Internal(`the model's answer is not JSON: ${error.message}`);
    }
  },
};
