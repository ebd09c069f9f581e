/** The version of Redis whose commands and texts this door has, where they exist at all: clients choose features by it. */
export const respVersion = '7.2.0';
