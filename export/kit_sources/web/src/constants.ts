/** What no manifest holds: the Python runtime's constants, written to constants.json by `python -m export.kit_constants`. */

import constants from "./constants.json";

export { constants };

/** Quality faults. */
export type Reason = keyof typeof constants.advice;
export type Decision = keyof typeof constants.meaning;
