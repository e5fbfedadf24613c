export * from './schemas.js';
import * as z from './schemas.js';
export { z };
export default z;
