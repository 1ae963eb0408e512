// UTF-8 for engines without TextEncoder and TextDecoder (QuickJS has neither).

/** @param {string} text */
export function encode(text) {
  const bytes = [];
  for (const character of String(text)) {
    let point = character.codePointAt(0);
    // A lone surrogate is no character; the standard replaces it.
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
  }
  return new Uint8Array(bytes);
}

/** @param {Uint8Array} bytes @param {boolean} fatal throw on bytes that are not UTF-8, rather than replacing them */
export function decode(bytes, fatal = false) {
  const parts = [];
  let points = [];
  const bad = () => {
    if (fatal) throw new TypeError("the bytes are not UTF-8");
    points.push(0xfffd);
  };
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++];
    if (first < 0x80) {
      points.push(first);
    } else {
      const length = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 && first < 0xe0 ? 1 : 0;
      let point = first & (0x3f >> length);
      let left = length;
      while (left > 0 && at < bytes.length && (bytes[at] & 0xc0) === 0x80) {
        const next = (point << 6) | (bytes[at] & 63);
        // Overlong forms, surrogates and what lies beyond Unicode show in the second byte.
        if (left === length && ((length === 2 && (next < 0x20 || (next >= 0x360 && next <= 0x37f))) || (length === 3 && (next < 0x10 || next > 0x10f)))) break;
        point = next;
        at++;
        left--;
      }
      if (length === 0 || left > 0) bad();
      else points.push(point);
    }
    if (points.length > 4096) {
      parts.push(String.fromCodePoint(...points));
      points = [];
    }
  }
  parts.push(String.fromCodePoint(...points));
  return parts.join("");
}
