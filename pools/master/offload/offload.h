/*
 * offload.h - what the three parts of the module promise each other; offload.c says what it is for
 */
#ifndef BDC_OFFLOAD_H
#define BDC_OFFLOAD_H

#include "postgres.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"

#if PG_VERSION_NUM < 180000 || PG_VERSION_NUM >= 190000
#error "written against PostgreSQL 18: look at postgres_fdw's fdw_private and at ruleutils before allowing another one"
#endif

/* What eligible() found out about a query that may go to the pool as one text. */
typedef struct Whole
{
	Oid			server;			/* compute_pool */
	Oid			user;			/* whose rights are checked: a view's owner, or InvalidOid: the caller's */
	bool		user_known;		/* ... of the first virtual table */
	bool		zoned;			/* what it computes depends on the session's time zone */
	int			depth;			/* of the query that is looked at */
	const char *why;			/* the first reason against it */
} Whole;

/* eligible.c */
extern bool eligible(Query *query, Whole *whole);
extern bool is_constant(Node *node);

/* text.c */
extern bool usual_settings(bool zoned);
extern char *text_of(Query *query, bool zoned, EState *estate);

#endif
