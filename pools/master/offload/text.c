/*
 * text.c - the text that is sent: the query as PostgreSQL writes it, independent of the session that it comes from
 */
#include "offload.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/bytea.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/ruleutils.h"

#define MOST_LISTED 1000

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

/* IN, as a list of constants of its own again: what the planner of the pool, and sources, know best. */
static Node *
listed_elements(Const *array)
{
	ArrayType  *value = array->constisnull ? NULL : DatumGetArrayTypeP(array->constvalue);
	ArrayExpr  *list = makeNode(ArrayExpr);
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	int16		length;
	bool		by_value;
	char		align;

	if (value == NULL || ARR_NDIM(value) != 1 || ArrayGetNItems(1, ARR_DIMS(value)) > MOST_LISTED)
		return (Node *) array;
	list->array_typeid = array->consttype;
	list->array_collid = array->constcollid;
	list->element_typeid = ARR_ELEMTYPE(value);
	get_typlenbyvalalign(list->element_typeid, &length, &by_value, &align);
	deconstruct_array(value, list->element_typeid, length, by_value, align, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
		list->elements = lappend(list->elements, makeConst(list->element_typeid, -1, array->constcollid, length, elements[i], nulls[i], by_value));
	list->location = -1;
	return (Node *) list;
}

/* varchar where text is wanted: not written, as nobody would; the pool's parser adds it again, by PostgreSQL's rules. */
static bool
is_silent_cast(Node *node)
{
	return IsA(node, RelabelType) && ((RelabelType *) node)->relabelformat == COERCE_IMPLICIT_CAST &&
		((RelabelType *) node)->resulttype == TEXTOID && exprType((Node *) ((RelabelType *) node)->arg) == VARCHAROID;
}

/*
 * What is the same for the whole statement becomes a constant: parameters, now(), current_user and whatever else this session knows, casts of
 * literals. EXPLAIN (GENERIC_PLAN) has no values for parameters.
 */
static Node *
fold(Node *node, void *context)
{
	EState	   *estate = context;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, fold, context, 0);
	if (is_constant(node) && !IsA(node, Const) && (estate->es_param_list_info != NULL || !has_parameter(node, NULL)))
		return computed(node, estate);
	if (is_silent_cast(node))
		return fold((Node *) ((RelabelType *) node)->arg, context);
	node = expression_tree_mutator(node, fold, context);
	if (IsA(node, ScalarArrayOpExpr) && IsA(lsecond(((ScalarArrayOpExpr *) node)->args), Const))
		lsecond(((ScalarArrayOpExpr *) node)->args) = listed_elements(lsecond(((ScalarArrayOpExpr *) node)->args));
	return node;
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
