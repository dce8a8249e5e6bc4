/*
 * forms: what a command line without a file comes to, under our own name and under websocketd.
 */
#ifndef CONF_FORMS_H
#define CONF_FORMS_H

struct argv_state;

/* Puts into the draft what the options mean together, and what nobody gave; `words` are a program's. What is
 * wrong is added to the errors. */
void forms_complete(struct argv_state *state, char **words, int n);

#endif
