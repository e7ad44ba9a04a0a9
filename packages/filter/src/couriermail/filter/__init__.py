"""The maildrop language: recipes are read, compiled and run against a *host*.

The interpreter touches nothing itself; a host performs deliveries, commands and lookups.
`LocalHost` delivers into the maildirs and mbox files of one home directory, `DecisionHost`
only notes what a recipe decides.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.autoreply import (
        AutoreplyDecision,
        AutoreplyRules,
        decide_autoreply,
        mailbox_key,
    )
    from couriermail.filter.autoreply_answer import AnswerFormat, AnswerText, Autoreply
    from couriermail.filter.autoreply_history import (
        AutoreplyClaim,
        AutoreplyHistory,
        AutoreplyHistoryError,
    )
    from couriermail.filter.checking import check_recipe
    from couriermail.filter.converting import Conversion, ConversionFinding, convert_old
    from couriermail.filter.decision import DecisionHost
    from couriermail.filter.dryrun import Decision, DryRunTotals, dry_run
    from couriermail.filter.errors import (
        FilterError,
        RecipeLimitError,
        RecipeRuntimeError,
        RecipeSyntaxError,
    )
    from couriermail.filter.explaining import Explanation, Step, explain
    from couriermail.filter.findings import Finding, Severity
    from couriermail.filter.interfaces import Database, FilterMessage, Host, Observer
    from couriermail.filter.local import LocalHost
    from couriermail.filter.message import BytesMessage
    from couriermail.filter.messagesource import MessageSource, MessageSourceError, StoredMessage
    from couriermail.filter.observed import PatternSearch
    from couriermail.filter.outcome import (
        CommandResult,
        Delivery,
        DeliveryOptions,
        FilterOutcome,
        RunLimits,
        ShellCommand,
    )
    from couriermail.filter.parser import parse
    from couriermail.filter.recipe import Recipe, compile_recipe, encode_environment, start_run
    from couriermail.filter.rehearsal import RehearsalHost
    from couriermail.filter.run import Run
    from couriermail.filter.syntax import Node, walk
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "autoreply": (
                "AutoreplyDecision",
                "AutoreplyRules",
                "decide_autoreply",
                "mailbox_key",
            ),
            "autoreply_answer": ("AnswerFormat", "AnswerText", "Autoreply"),
            "autoreply_history": (
                "AutoreplyClaim",
                "AutoreplyHistory",
                "AutoreplyHistoryError",
            ),
            "checking": ("check_recipe",),
            "converting": ("Conversion", "ConversionFinding", "convert_old"),
            "dryrun": (
                "Decision",
                "DryRunTotals",
                "dry_run",
            ),
            "explaining": (
                "Explanation",
                "Step",
                "explain",
            ),
            "findings": (
                "Finding",
                "Severity",
            ),
            "messagesource": (
                "MessageSource",
                "MessageSourceError",
                "StoredMessage",
            ),
            "rehearsal": ("RehearsalHost",),
            "decision": ("DecisionHost",),
            "errors": (
                "FilterError",
                "RecipeLimitError",
                "RecipeRuntimeError",
                "RecipeSyntaxError",
            ),
            "interfaces": ("Database", "FilterMessage", "Host", "Observer"),
            "local": ("LocalHost",),
            "message": ("BytesMessage",),
            "observed": ("PatternSearch",),
            "outcome": (
                "CommandResult",
                "Delivery",
                "DeliveryOptions",
                "FilterOutcome",
                "RunLimits",
                "ShellCommand",
            ),
            "parser": ("parse",),
            "recipe": ("Recipe", "compile_recipe", "encode_environment", "start_run"),
            "run": ("Run",),
            "syntax": ("Node", "walk"),
        },
    )

__all__ = [
    "AnswerFormat",
    "AnswerText",
    "Autoreply",
    "AutoreplyClaim",
    "AutoreplyDecision",
    "AutoreplyHistory",
    "AutoreplyHistoryError",
    "AutoreplyRules",
    "BytesMessage",
    "CommandResult",
    "Conversion",
    "ConversionFinding",
    "Database",
    "Decision",
    "DecisionHost",
    "Delivery",
    "DeliveryOptions",
    "DryRunTotals",
    "Explanation",
    "FilterError",
    "FilterMessage",
    "FilterOutcome",
    "Finding",
    "Host",
    "LocalHost",
    "MessageSource",
    "MessageSourceError",
    "Node",
    "Observer",
    "PatternSearch",
    "Recipe",
    "RecipeLimitError",
    "RecipeRuntimeError",
    "RecipeSyntaxError",
    "RehearsalHost",
    "Run",
    "RunLimits",
    "Severity",
    "ShellCommand",
    "Step",
    "StoredMessage",
    "check_recipe",
    "compile_recipe",
    "convert_old",
    "decide_autoreply",
    "dry_run",
    "encode_environment",
    "explain",
    "mailbox_key",
    "parse",
    "start_run",
    "walk",
]
