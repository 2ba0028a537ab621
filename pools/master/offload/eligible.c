/*
 * eligible.c - may a query go to the compute pool as one text, and mean the same there?
 *
 * Everything is refused that is not on a list here: kinds of nodes and of relations, types, functions. A refusal costs speed only: the
 * statement is planned as if there were no module.
 */
#include "offload.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_relation.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#define SERVER "compute_pool"

static bool refused(Node *node, Whole *whole);

/* Types that mean the same on both sides; so do arrays of them. */
static const Oid types[] = {
	BOOLOID, BYTEAOID, INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID, TEXTOID, VARCHAROID, BPCHAROID, DATEOID, TIMEOID,
	TIMESTAMPOID, TIMESTAMPTZOID, INTERVALOID, UUIDOID, JSONOID, JSONBOID
};

/*
 * Functions that are no more than stable, and may be applied to columns all the same. What makes them stable are the session's time
 * zone, which goes along with the text, and settings whose usual values usual_settings() asks for. (Immutable ones need no list: what
 * is built in and immutable computes the same from the same arguments. Stable ones of constants are computed here.)
 */
static const Oid stable[] = {
	F_DATE_TIMESTAMPTZ, F_TIMESTAMP_TIMESTAMPTZ, F_TIMESTAMPTZ_DATE, F_TIMESTAMPTZ_TIMESTAMP, F_TIME_TIMESTAMPTZ,
	F_DATE_TRUNC_TEXT_TIMESTAMPTZ, F_DATE_PART_TEXT_TIMESTAMPTZ, F_EXTRACT_TEXT_TIMESTAMPTZ, F_AGE_TIMESTAMPTZ_TIMESTAMPTZ,
	F_TIMESTAMPTZ_PL_INTERVAL, F_TIMESTAMPTZ_MI_INTERVAL, F_INTERVAL_PL_TIMESTAMPTZ,
	F_DATE_LT_TIMESTAMPTZ, F_DATE_LE_TIMESTAMPTZ, F_DATE_EQ_TIMESTAMPTZ, F_DATE_GT_TIMESTAMPTZ, F_DATE_GE_TIMESTAMPTZ, F_DATE_NE_TIMESTAMPTZ,
	F_TIMESTAMPTZ_LT_DATE, F_TIMESTAMPTZ_LE_DATE, F_TIMESTAMPTZ_EQ_DATE, F_TIMESTAMPTZ_GT_DATE, F_TIMESTAMPTZ_GE_DATE, F_TIMESTAMPTZ_NE_DATE,
	F_TIMESTAMP_LT_TIMESTAMPTZ, F_TIMESTAMP_LE_TIMESTAMPTZ, F_TIMESTAMP_EQ_TIMESTAMPTZ, F_TIMESTAMP_GT_TIMESTAMPTZ,
	F_TIMESTAMP_GE_TIMESTAMPTZ, F_TIMESTAMP_NE_TIMESTAMPTZ, F_TIMESTAMPTZ_LT_TIMESTAMP, F_TIMESTAMPTZ_LE_TIMESTAMP,
	F_TIMESTAMPTZ_EQ_TIMESTAMP, F_TIMESTAMPTZ_GT_TIMESTAMP, F_TIMESTAMPTZ_GE_TIMESTAMP, F_TIMESTAMPTZ_NE_TIMESTAMP,
	F_TO_CHAR_TIMESTAMP_TEXT, F_TO_CHAR_TIMESTAMPTZ_TEXT, F_TO_CHAR_NUMERIC_TEXT, F_TO_CHAR_INT4_TEXT, F_TO_CHAR_INT8_TEXT,
	F_TO_DATE, F_TO_TIMESTAMP_TEXT_TEXT, F_CONCAT, F_CONCAT_WS, F_DATE_OUT, F_TIMESTAMP_OUT, F_TIMESTAMPTZ_OUT
};

/* Functions that may stand in FROM. */
static const Oid set_functions[] = {
	F_GENERATE_SERIES_INT4_INT4, F_GENERATE_SERIES_INT4_INT4_INT4, F_GENERATE_SERIES_INT8_INT8, F_GENERATE_SERIES_INT8_INT8_INT8,
	F_GENERATE_SERIES_TIMESTAMP_TIMESTAMP_INTERVAL
};

static bool
listed(Oid wanted, const Oid *list, int length)
{
	for (int i = 0; i < length; i++)
		if (list[i] == wanted)
			return true;
	return false;
}

static bool
no(Whole *whole, const char *why)
{
	if (whole->why == NULL)
		whole->why = why;
	return true;
}

static bool
type_refused(Oid type)
{
	Oid			element = get_element_type(type);

	return !listed(OidIsValid(element) ? element : type, types, lengthof(types));
}

/* For check_functions_in_node: true stops. */
static bool
function_refused(Oid function, void *context)
{
	Whole	   *whole = context;

	if (function >= FirstGenbkiObjectId)
		return no(whole, "a function that is not built in");
	switch (func_volatile(function))
	{
		case PROVOLATILE_IMMUTABLE:
			return false;
		case PROVOLATILE_STABLE:
			if (listed(function, stable, lengthof(stable)))
			{
				whole->zoned = true;
				return false;
			}
			return no(whole, "a function whose result depends on the session");
		default:
			return no(whole, "a volatile function");
	}
}

/* ---------- relations ---------- */

static const char *
option(List *options, const char *name, const char *otherwise)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *given = lfirst_node(DefElem, lc);

		if (strcmp(given->defname, name) == 0)
			return defGetString(given);
	}
	return otherwise;
}

/* The text names tables and columns as the master does: one that was renamed here is known to the pool by its old name. */
static bool
renamed(ForeignTable *table)
{
	const char *name = get_rel_name(table->relid);
	const char *schema = get_namespace_name(get_rel_namespace(table->relid));
	Relation	relation;
	bool		differs = false;

	if (name == NULL || schema == NULL || strcmp(option(table->options, "table_name", name), name) != 0 ||
		strcmp(option(table->options, "schema_name", schema), schema) != 0)
		return true;
	relation = RelationIdGetRelation(table->relid);
	for (int i = 0; i < RelationGetDescr(relation)->natts && !differs; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), i);

		if (!column->attisdropped)
			differs = strcmp(option(GetForeignColumnOptions(table->relid, column->attnum), "column_name", NameStr(column->attname)),
							 NameStr(column->attname)) != 0;
	}
	RelationClose(relation);
	return differs;
}

static bool
relation_refused(RangeTblEntry *entry, Whole *whole)
{
	ForeignTable *table;

	if (entry->relkind != RELKIND_FOREIGN_TABLE)
		return no(whole, "a table of the master");
	if (entry->tablesample != NULL || (entry->inh && has_subclass(entry->relid)))
		return no(whole, "a sample, or a table with partitions");
	table = GetForeignTable(entry->relid);
	if (strcmp(GetForeignServer(table->serverid)->servername, SERVER) != 0)
		return no(whole, "a table of another server");
	if (strcmp(option(table->options, "table_name", ""), "compute_request") == 0)
		return no(whole, "a request");	/* a function in the form of a table, known by its own text only */
	if (renamed(table))
		return no(whole, "a table or column that was renamed");
	whole->server = table->serverid;
	return false;
}

static bool
function_entry_refused(RangeTblEntry *entry, Whole *whole)
{
	Node	   *call = linitial_node(RangeTblFunction, entry->functions)->funcexpr;

	if (list_length(entry->functions) != 1 || entry->funcordinality || !IsA(call, FuncExpr) ||
		!listed(((FuncExpr *) call)->funcid, set_functions, lengthof(set_functions)))
		return no(whole, "a function in FROM");
	return false;
}

static bool
entry_refused(RangeTblEntry *entry, Whole *whole)
{
	ListCell   *lc;

	if (entry->securityQuals != NIL || entry->security_barrier)
		return no(whole, "row security, or a view that is a security barrier");
	switch (entry->rtekind)
	{
		case RTE_RELATION:
			return relation_refused(entry, whole);
		case RTE_JOIN:
			/* columns that nobody asked for are no reason; what is computed for USING is */
			foreach(lc, entry->joinaliasvars)
				if (lfirst(lc) != NULL && !IsA(lfirst(lc), Var) && refused(lfirst(lc), whole))
					return true;
			return false;
		case RTE_CTE:
			return entry->self_reference && no(whole, "WITH RECURSIVE");
		case RTE_FUNCTION:
			return function_entry_refused(entry, whole);
		case RTE_SUBQUERY:
		case RTE_VALUES:
		case RTE_RESULT:
		case RTE_GROUP:
			return false;		/* the walker looks at what is in them */
		default:
			return no(whole, "a relation of another kind");
	}
}

/* Whose rights count is one user's for all tables: there is one connection. */
static bool
users_refused(Query *query, Whole *whole)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, lc);
		Oid			user;

		if (entry->rtekind != RTE_RELATION || entry->perminfoindex == 0)
			continue;
		user = getRTEPermissionInfo(query->rteperminfos, entry)->checkAsUser;
		if (whole->user_known && user != whole->user)
			return no(whole, "tables that are read with the rights of different users");
		whole->user = user;
		whole->user_known = true;
	}
	return false;
}

static bool
query_refused(Query *query, Whole *whole)
{
	bool		result;

	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL || query->rowMarks != NIL || query->hasModifyingCTE ||
		query->hasRecursive || query->hasTargetSRFs || query->hasRowSecurity)
		return no(whole, "not a plain SELECT");
	if (users_refused(query, whole))
		return true;
	whole->depth++;
	result = query_tree_walker(query, refused, whole, QTW_EXAMINE_RTES_BEFORE | QTW_EXAMINE_SORTGROUP | QTW_IGNORE_JOINALIASES);
	whole->depth--;
	return result;
}

/* ---------- expressions ---------- */

static bool
depends(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Aggref:
		case T_WindowFunc:
		case T_GroupingFunc:
		case T_SubLink:
		case T_CaseTestExpr:
			return true;
		case T_Param:
			return ((Param *) node)->paramkind != PARAM_EXTERN;
		case T_ArrayCoerceExpr:	/* what it does to each element depends on the element alone */
			return depends((Node *) ((ArrayCoerceExpr *) node)->arg, context);
		case T_FuncExpr:
			return ((FuncExpr *) node)->funcretset || expression_tree_walker(node, depends, context);
		default:
			return expression_tree_walker(node, depends, context);
	}
}

/* Is it an expression that has one value for the whole statement? text.c computes those that are more than the built-in and immutable. */
bool
is_constant(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Const:
		case T_Param:
		case T_SQLValueFunction:
		case T_FuncExpr:
		case T_OpExpr:
		case T_ScalarArrayOpExpr:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ArrayExpr:
		case T_CaseExpr:
		case T_CoalesceExpr:
			return !depends(node, NULL);
		default:
			return false;
	}
}

static bool
expression_refused(Node *node, Whole *whole)
{
	Oid			collation = exprCollation(node);

	if (type_refused(exprType(node)))
		return no(whole, "a type that the pool does not know");
	if (OidIsValid(collation) && collation != DEFAULT_COLLATION_OID && collation != C_COLLATION_OID)
		return no(whole, "a collation");
	if (is_constant(node))
		return contain_volatile_functions(node) && no(whole, "a volatile function");
	if (check_functions_in_node(node, function_refused, whole))
		return true;
	return expression_tree_walker(node, refused, whole);
}

static bool
column_refused(Var *column, Whole *whole)
{
	if ((int) column->varlevelsup > whole->depth)
		return no(whole, "a column of an outer query");
	if (column->varattno <= 0)
		return no(whole, "a system column, or a whole row");
	return expression_refused((Node *) column, whole);
}

static bool
sub_query_refused(SubLink *link, Whole *whole)
{
	/* of a row comparison's columns each is looked at by itself */
	if (link->subLinkType == MULTIEXPR_SUBLINK || link->subLinkType == CTE_SUBLINK)
		return no(whole, "a sub-query of another kind");
	if ((link->subLinkType == EXPR_SUBLINK || link->subLinkType == ARRAY_SUBLINK) && type_refused(exprType((Node *) link)))
		return no(whole, "a type that the pool does not know");
	return expression_tree_walker((Node *) link, refused, whole);
}

static bool
refused(Node *node, Whole *whole)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			return query_refused((Query *) node, whole);
		case T_RangeTblEntry:
			return entry_refused((RangeTblEntry *) node, whole);
		case T_Var:
			return column_refused((Var *) node, whole);
		case T_SubLink:
			return sub_query_refused((SubLink *) node, whole);
		case T_Param:
			if (((Param *) node)->paramkind == PARAM_SUBLINK)
				return type_refused(exprType(node)) && no(whole, "a type that the pool does not know");
			return ((Param *) node)->paramkind == PARAM_EXTERN ? expression_refused(node, whole) : no(whole, "a parameter of the executor");
		case T_SortGroupClause:
			return ((SortGroupClause *) node)->eqop >= FirstGenbkiObjectId || ((SortGroupClause *) node)->sortop >= FirstGenbkiObjectId
				? no(whole, "an operator that is not built in") : false;
		case T_Const:
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_CaseExpr:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayExpr:
		case T_ArrayCoerceExpr:
		case T_CollateExpr:
		case T_SQLValueFunction:
			return expression_refused(node, whole);
		case T_List:
		case T_TargetEntry:
		case T_FromExpr:
		case T_JoinExpr:
		case T_RangeTblRef:
		case T_SetOperationStmt:
		case T_WindowClause:
		case T_CommonTableExpr:
		case T_CaseWhen:
		case T_RangeTblFunction:
			return expression_tree_walker(node, refused, whole);
		case T_GroupingSet:		/* numbers of what GROUP BY lists */
			return false;
		default:
			return no(whole, "a kind of expression that is not handed over");
	}
}

bool
eligible(Query *query, Whole *whole)
{
	memset(whole, 0, sizeof(*whole));
	whole->depth = -1;
	return !refused((Node *) query, whole) && OidIsValid(whole->server);
}
