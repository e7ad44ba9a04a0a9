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
    from couriermail.filter.decision import DecisionHost
    from couriermail.filter.errors import (
        FilterError,
        RecipeLimitError,
        RecipeRuntimeError,
        RecipeSyntaxError,
    )
    from couriermail.filter.interfaces import Database, FilterMessage, Host, Observer
    from couriermail.filter.local import LocalHost
    from couriermail.filter.message import BytesMessage
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
    "Database",
    "DecisionHost",
    "Delivery",
    "DeliveryOptions",
    "FilterError",
    "FilterMessage",
    "FilterOutcome",
    "Host",
    "LocalHost",
    "Node",
    "Observer",
    "PatternSearch",
    "Recipe",
    "RecipeLimitError",
    "RecipeRuntimeError",
    "RecipeSyntaxError",
    "Run",
    "RunLimits",
    "ShellCommand",
    "compile_recipe",
    "decide_autoreply",
    "encode_environment",
    "mailbox_key",
    "parse",
    "start_run",
    "walk",
]
