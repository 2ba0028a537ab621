/*
 * offload.c - hands whole queries over virtual tables to the compute pool (PostgreSQL 18)
 *
 * postgres_fdw ships parts: scans, joins, aggregates, as far as it knows how. A SELECT that reads nothing but virtual tables is planned as
 * always here; where that plan would do more than pass rows on, and the query means the same at the pool (eligible.c), the plan becomes one
 * node: a foreign scan of postgres_fdw's own with the whole query as its text, and the plan that was made beside it. So connection, login,
 * transaction, cancellation, cursor and types are postgres_fdw's in both; privileges and dependencies are those of the plan. If the pool
 * answers, before the first row, that it does not know how to run the text, the plan that was made runs instead.
 *
 * Loaded with session_preload_libraries; no objects in any catalog. SET bdc.offload = off keeps it quiet.
 */
#include "offload.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/explain.h"
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#include "executor/executor.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planmain.h"
#include "optimizer/planner.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

PG_MODULE_MAGIC;

/* So many times the rows that the ordinary plan fetches may the result have: estimates are rough, and a row more is a matter of a microsecond. */
#define MOST_MORE 4

#define NAME "Whole query at the compute pool"

static bool offload = true;
static planner_hook_type previous_planner = NULL;
static CustomScanMethods scan_methods;
static CustomExecMethods exec_methods;

/* ---------- planning ---------- */

/* What the ordinary plan fetches from the pool. */
typedef struct Fetched
{
	ForeignScan *scan;			/* the first one: ours borrows its table and its batch size */
	double		rows;
} Fetched;

static void
fetched_by(Plan *plan, Oid server, Fetched *fetched)
{
	List	   *children = NIL;
	ListCell   *lc;

	if (plan == NULL)
		return;
	if (IsA(plan, ForeignScan) && ((ForeignScan *) plan)->fs_server == server)
	{
		fetched->rows += plan->plan_rows;
		if (fetched->scan == NULL)
			fetched->scan = (ForeignScan *) plan;
	}
	else if (IsA(plan, Append))
		children = ((Append *) plan)->appendplans;
	else if (IsA(plan, MergeAppend))
		children = ((MergeAppend *) plan)->mergeplans;
	else if (IsA(plan, SubqueryScan))
		children = list_make1(((SubqueryScan *) plan)->subplan);
	foreach(lc, children)
		fetched_by(lfirst(lc), server, fetched);
	fetched_by(plan->lefttree, server, fetched);
	fetched_by(plan->righttree, server, fetched);
}

static bool
passes_rows_on(Plan *plan)
{
	ListCell   *lc;

	if (!IsA(plan, ForeignScan) || plan->qual != NIL)
		return false;
	foreach(lc, plan->targetlist)
		if (!IsA(lfirst_node(TargetEntry, lc)->expr, Var))
			return false;
	return true;
}

/* The scan to borrow from; NULL where the ordinary plan is as good, or is not what this module knows postgres_fdw to make. */
static ForeignScan *
worth_it(PlannedStmt *ordinary, Oid server)
{
	Fetched		fetched = {NULL, 0};
	List	   *private;
	ListCell   *lc;

	if (passes_rows_on(ordinary->planTree))
		return NULL;
	fetched_by(ordinary->planTree, server, &fetched);
	foreach(lc, ordinary->subplans)
		fetched_by(lfirst(lc), server, &fetched);
	if (fetched.scan == NULL || ordinary->planTree->plan_rows > MOST_MORE * fetched.rows)
		return NULL;			/* a join that makes many more rows than it reads is made here */
	private = fetched.scan->fdw_private;
	if (list_length(private) < 3 || !IsA(linitial(private), String) || !IsA(lthird(private), Integer) ||
		(lsecond(private) != NIL && !IsA(lsecond(private), IntList)))
		return NULL;
	return fetched.scan;
}

/*
 * The columns of the result, as a relation of their own at the end of the range table: EXPLAIN names them by it. Their types are those of the
 * ordinary plan, whose modifiers may differ from the query's (set operations).
 */
static RangeTblEntry *
result_entry(Plan *ordinary, Index place, CustomScan *node)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	List	   *names = NIL;
	AttrNumber	number = 0;
	ListCell   *lc;

	foreach(lc, ordinary->targetlist)
	{
		TargetEntry *target = lfirst_node(TargetEntry, lc);
		TargetEntry *output;
		Oid			type = exprType((Node *) target->expr);
		Oid			collation = exprCollation((Node *) target->expr);
		int32		typmod = exprTypmod((Node *) target->expr);

		if (target->resjunk)
			continue;
		number++;
		entry->coltypes = lappend_oid(entry->coltypes, type);
		entry->coltypmods = lappend_int(entry->coltypmods, typmod);
		entry->colcollations = lappend_oid(entry->colcollations, collation);
		names = lappend(names, makeString(pstrdup(target->resname ? target->resname : "?column?")));
		node->custom_scan_tlist = lappend(node->custom_scan_tlist,
										  makeTargetEntry((Expr *) makeVar(place, number, type, typmod, collation, 0), number,
														  target->resname, false));
		output = flatCopyTargetEntry(target);
		output->expr = (Expr *) makeVar(INDEX_VAR, number, type, typmod, collation, 0);
		output->resno = number;
		output->ressortgroupref = 0;
		node->scan.plan.targetlist = lappend(node->scan.plan.targetlist, output);
	}
	entry->rtekind = RTE_CTE;
	entry->ctename = "pool";
	entry->eref = entry->alias = makeAlias("pool", names);
	return entry;
}

/* The statement with one node, which keeps the query and the ordinary statement. Privileges and dependencies stay as they are. */
static PlannedStmt *
whole_statement(PlannedStmt *ordinary, Query *query, Whole *whole, ForeignScan *like, int options)
{
	PlannedStmt *statement = makeNode(PlannedStmt);
	CustomScan *node = makeNode(CustomScan);
	Index		place = list_length(ordinary->rtable) + 1;
	int			table = like->scan.scanrelid > 0 ? (int) like->scan.scanrelid : bms_next_member(like->fs_base_relids, -1);

	memcpy(statement, ordinary, sizeof(PlannedStmt));
	statement->rtable = lappend(list_copy(ordinary->rtable), result_entry(ordinary->planTree, place, node));
	node->custom_relids = bms_make_singleton(place);
	node->custom_private = list_make5(query, ordinary, list_make3_oid(whole->server, whole->user, (Oid) whole->zoned), makeInteger(table),
									  copyObject(lthird(like->fdw_private)));
	node->methods = &scan_methods;
	node->scan.plan.plan_rows = ordinary->planTree->plan_rows;
	node->scan.plan.plan_width = ordinary->planTree->plan_width;
	node->scan.plan.startup_cost = like->scan.plan.startup_cost;
	node->scan.plan.total_cost = like->scan.plan.startup_cost + ordinary->planTree->plan_rows * 0.01;
	statement->planTree = (Plan *) node;
	if (options & CURSOR_OPT_SCROLL)
		statement->planTree = materialize_finished_plan(statement->planTree);
	statement->subplans = NIL;
	statement->rewindPlanIDs = NULL;
	statement->parallelModeNeeded = false;
	statement->jitFlags = 0;
	return statement;
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	Query	   *original = NULL;
	Whole		whole;
	PlannedStmt *ordinary;
	ForeignScan *like;

	if (offload && query->commandType == CMD_SELECT && (query->rtable != NIL || query->hasSubLinks))
	{
		if (eligible(query, &whole) && usual_settings(whole.zoned))
			original = copyObject(query);	/* the planner scribbles on its own */
		else if (OidIsValid(whole.server) && whole.why != NULL)
			elog(DEBUG1, "bdc_offload: not handed over as a whole: %s", whole.why);
	}
	ordinary = (previous_planner ? previous_planner : standard_planner) (query, text, options, parameters);
	like = original != NULL ? worth_it(ordinary, whole.server) : NULL;
	return like != NULL ? whole_statement(ordinary, original, &whole, like, options) : ordinary;
}

/* ---------- execution ---------- */

typedef struct WholeState
{
	CustomScanState css;
	Query	   *query;
	PlannedStmt *ordinary;
	Oid			server;
	Oid			user;
	bool		zoned;
	int			table;
	Node	   *batch;

	bool		started;
	char	   *text;
	PlanState  *remote;			/* postgres_fdw's scan, once it has begun */
	TupleTableSlot *first;		/* its first row, not yet handed on */
	QueryDesc  *local;			/* the ordinary plan, where that runs */
	char	   *why;			/* it does */
} WholeState;

static Node *
create_state(CustomScan *node)
{
	WholeState *state = (WholeState *) newNode(sizeof(WholeState), T_CustomScanState);
	List	   *ids = lthird(node->custom_private);

	state->css.methods = &exec_methods;
	state->query = linitial(node->custom_private);
	state->ordinary = lsecond(node->custom_private);
	state->server = linitial_oid(ids);
	state->user = lsecond_oid(ids);
	state->zoned = lthird_oid(ids) != 0;
	state->table = intVal(lfourth(node->custom_private));
	state->batch = list_nth(node->custom_private, 4);
	return (Node *) state;
}

static void
begin(CustomScanState *node, EState *estate, int eflags)
{
	node->ss.ps.resultopsfixed = false; /* rows come in the slots of whatever makes them */
}

static ForeignScan *
remote_scan(WholeState *state)
{
	ForeignScan *scan = makeNode(ForeignScan);
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, state->css.ss.ps.plan->targetlist)
	{
		TargetEntry *target = lfirst_node(TargetEntry, lc);
		Var		   *column = castNode(Var, target->expr);

		columns = lappend_int(columns, target->resno);
		scan->scan.plan.targetlist = lappend(scan->scan.plan.targetlist, flatCopyTargetEntry(target));
		scan->fdw_scan_tlist = lappend(scan->fdw_scan_tlist,
									   makeTargetEntry((Expr *) makeNullConst(column->vartype, column->vartypmod, column->varcollid),
													   target->resno, target->resname, false));
	}
	scan->operation = CMD_SELECT;
	scan->checkAsUser = state->user;
	scan->fs_server = state->server;
	scan->fs_relids = scan->fs_base_relids = bms_make_singleton(state->table);
	scan->fdw_private = list_make3(makeString(state->text), columns, state->batch);
	return scan;
}

/* Does an error mean that the ordinary plan may do better? */
static bool
means_try_locally(ErrorData *error, bool sent)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	if (!sent)					/* a constant could not be computed; perhaps no row asks for it */
		return category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) || category == ERRCODE_TO_CATEGORY(ERRCODE_RAISE_EXCEPTION);
	/* The text was parsed, bound and allowed here: whoever finds fault with it just does not know that much SQL. */
	return category == ERRCODE_TO_CATEGORY(ERRCODE_FEATURE_NOT_SUPPORTED) || category == ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR);
}

/* Send the query and fetch the first rows, as a sub-transaction of which nothing stays, here or at the pool, if that is refused. */
static void
start_remote(WholeState *state)
{
	EState	   *estate = state->css.ss.ps.state;
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool sent = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(estate->es_query_cxt);
	PG_TRY();
	{
		PlanState  *remote;

		state->text = text_of(state->query, state->zoned, estate);
		sent = true;
		remote = ExecInitNode((Plan *) remote_scan(state), estate, 0);
		MemoryContextSwitchTo(context);
		state->first = ExecProcNode(remote);
		ReleaseCurrentSubTransaction();
		state->remote = remote;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(estate->es_query_cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		state->first = NULL;
		if (!means_try_locally(error, sent))
			ReThrowError(error);
		state->why = error->message;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static void
start_local(WholeState *state)
{
	EState	   *estate = state->css.ss.ps.state;
	MemoryContext context = MemoryContextSwitchTo(estate->es_query_cxt);

	elog(DEBUG1, "bdc_offload: runs in parts: %s", state->why);
	state->local = CreateQueryDesc(state->ordinary, estate->es_sourceText, estate->es_snapshot, InvalidSnapshot, None_Receiver,
								   estate->es_param_list_info, estate->es_queryEnv, 0);
	ExecutorStart(state->local, 0);
	MemoryContextSwitchTo(context);
}

static TupleTableSlot *
local_row(WholeState *state)
{
	TupleTableSlot *row = ExecProcNode(state->local->planstate);
	JunkFilter *junk = state->local->estate->es_junkFilter;

	return TupIsNull(row) || junk == NULL ? row : ExecFilterJunk(junk, row);
}

static TupleTableSlot *
next_row(CustomScanState *node)
{
	WholeState *state = (WholeState *) node;
	TupleTableSlot *row;

	if (!state->started)
	{
		state->started = true;
		if (!offload)			/* the plan is from before SET */
			state->why = "bdc.offload is off";
		else if (!usual_settings(state->zoned))
			state->why = "settings of the session or the database that the pool does not follow";
		else if (IsInParallelMode())	/* of a caller: no sub-transactions there */
			state->why = "a parallel query";
		else
			start_remote(state);
		if (state->remote == NULL)
			start_local(state);
	}
	if (state->local != NULL)
		return local_row(state);
	row = state->first != NULL ? state->first : ExecProcNode(state->remote);
	state->first = NULL;
	return row;
}

static void
end(CustomScanState *node)
{
	WholeState *state = (WholeState *) node;

	if (state->remote != NULL)
		ExecEndNode(state->remote);
	if (state->local != NULL)
	{
		ExecutorFinish(state->local);
		ExecutorEnd(state->local);
		FreeQueryDesc(state->local);
	}
	state->remote = NULL;
	state->first = NULL;
	state->local = NULL;
}

static void
rescan(CustomScanState *node)
{
	end(node);
	((WholeState *) node)->started = false;
}

static void
explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	WholeState *state = (WholeState *) node;

	if (es->verbose)
		ExplainPropertyText("Remote SQL", state->text ? state->text : text_of(state->query, state->zoned, node->ss.ps.state), es);
	if (state->why != NULL)
		ExplainPropertyText("Ran In Parts", state->why, es);
}

void
_PG_init(void)
{
	DefineCustomBoolVariable("bdc.offload", "Hands whole queries over virtual tables to the compute pool.", NULL, &offload, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	scan_methods.CustomName = exec_methods.CustomName = NAME;
	scan_methods.CreateCustomScanState = create_state;
	exec_methods.BeginCustomScan = begin;
	exec_methods.ExecCustomScan = next_row;
	exec_methods.EndCustomScan = end;
	exec_methods.ReScanCustomScan = rescan;
	exec_methods.ExplainCustomScan = explain;
	RegisterCustomScanMethods(&scan_methods);
	previous_planner = planner_hook;
	planner_hook = plan;
}
