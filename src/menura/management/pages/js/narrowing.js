// Filtering and sorting of short lists, in the way the broker does it with long ones.

export function compare(one, other) {
  if (typeof one === "number" || typeof other === "number") return (Number(one) || 0) - (Number(other) || 0);
  return String(one).localeCompare(String(other));
}

export function matcher(name, asRegex) {
  if (!name) return () => true;
  if (asRegex) {
    try {
      const pattern = new RegExp(name, "i");
      return (text) => pattern.test(text);
    } catch {
      return () => false;
    }
  }
  const wanted = name.toLowerCase();
  return (text) => text.toLowerCase().includes(wanted);
}
