/*
 * text.c - the text that is sent: the query as PostgreSQL writes it, independent of the session that it comes from
 */
#include "offload.h"

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "pgtime.h"
#include "utils/bytea.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/ruleutils.h"

static bool
plain_locale(const char *name)
{
	return strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0 || strcmp(name, "C.UTF-8") == 0;
}

/* A zone of the IANA database, and nothing that would end the comment that carries it. */
static bool
named_zone(const char *zone)
{
	return zone[0] != '<' && strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == strlen(zone);
}

/*
 * Would the pool, which knows one form of dates, intervals, numbers and texts, compute what this session would? Some functions that are
 * marked immutable depend on such settings too. The order of texts is the database's: by code points, as in every database of ours that
 * nobody gave another locale.
 */
bool
usual_settings(bool zoned)
{
	pg_locale_t locale = pg_newlocale_from_collation(DEFAULT_COLLATION_OID);

	return DateStyle == USE_ISO_DATES && IntervalStyle == INTSTYLE_POSTGRES && extra_float_digits > 0 && bytea_output == BYTEA_OUTPUT_HEX &&
		plain_locale(locale_numeric) && plain_locale(locale_time) && plain_locale(locale_monetary) &&
		locale->provider == COLLPROVIDER_BUILTIN && strcmp(locale->info.builtin.locale, "C.UTF-8") == 0 &&
		(!zoned || named_zone(pg_get_timezone_name(session_timezone)));
}

/* ---------- what is computed here ---------- */

static bool
needs_session(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) || IsA(node, SQLValueFunction))
		return true;
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid >= FirstGenbkiObjectId)
		return true;
	if (IsA(node, OpExpr) && ((OpExpr *) node)->opno >= FirstGenbkiObjectId)
		return true;
	if (IsA(node, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) node)->opno >= FirstGenbkiObjectId)
		return true;
	return expression_tree_walker(node, needs_session, context);
}

static Node *
computed(Node *node, EState *estate)
{
	ExprState  *expression = ExecPrepareExpr((Expr *) node, estate);
	bool		isnull;
	Datum		value = ExecEvalExprSwitchContext(expression, GetPerTupleExprContext(estate), &isnull);
	int16		length;
	bool		by_value;

	get_typlenbyval(exprType(node), &length, &by_value);
	return (Node *) makeConst(exprType(node), exprTypmod(node), exprCollation(node), length,
							  isnull ? (Datum) 0 : datumCopy(value, by_value, length), isnull, by_value);
}

static bool
has_parameter(Node *node, void *context)
{
	return node != NULL && (IsA(node, Param) || expression_tree_walker(node, has_parameter, context));
}

/* Parameters, now(), current_user and whatever else this session knows become constants. EXPLAIN (GENERIC_PLAN) has no values for them. */
static Node *
fold(Node *node, void *context)
{
	EState	   *estate = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, fold, context, 0);
	if (is_constant(node) && (needs_session(node, NULL) || contain_mutable_functions(node)) &&
		(estate->es_param_list_info != NULL || !has_parameter(node, NULL)))
		return computed(node, estate);
	return expression_tree_mutator(node, fold, context);
}

/* ---------- the text ---------- */

static void
set_locally(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * The query's text, in the memory context that is current: every name of the user's with its schema, every constant with its type in a
 * form that says the same in any session. What depends on the time zone says which, in a comment at the end (pools/compute/whole.py).
 */
char *
text_of(Query *query, bool zoned, EState *estate)
{
	const char *zone = pg_get_timezone_name(session_timezone);
	Query	   *folded = (Query *) fold((Node *) copyObject(query), estate);
	int			level = NewGUCNestLevel();
	char	   *text;

	set_locally("search_path", "pg_catalog");
	set_locally("standard_conforming_strings", "on");
	set_locally("quote_all_identifiers", "off");
	if (zoned)
		zone = pstrdup(zone);	/* before the next line frees it */
	set_locally("TimeZone", "UTC");
	text = pg_get_querydef(folded, false);
	AtEOXact_GUC(true, level);
	return zoned ? psprintf("%s /*bdc timezone=%s*/", text, zone) : text;
}
