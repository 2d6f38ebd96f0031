/** Defaults that commands use too. */

/** Folder of the embedded log, relative to the working directory. */
export const LOG_DIR_DEFAULT = '.millrace/log'
