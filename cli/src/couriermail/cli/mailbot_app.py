"""The typer app of `mailbot`: its help, and the declaration of its options.

The command itself reads its command line without typer (`couriermail.cli.mailbot`); a test
keeps the two in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["app"]

EXAMPLES = """
The message is read from standard input. The answer is given to PROGRAM (sendmail -f "") on its
standard input, or written to standard output with -n. Reports, mailing lists, bounces, bulk mail,
answers of other programs, and mail from the addresses of -A 'From: ', -M and -r get no answer.

--feedback-NAME VALUE adds a field to a feedback report: original-envelope-id, original-mail-from,
reporting-mta, source-ip, incidents, authentication-results, original-rcpt-to, reported-domain.

Exit codes: 0 answered, or left unanswered on purpose; that of PROGRAM; 64 options that do not fit
together; 65 unknown character set; 66 the text cannot be read; 74 input or output failed; 75 wrong
options, the list of answers cannot be used, PROGRAM cannot be run.

Examples:

  mailbot -t away.txt -A 'From: me@example.com' -d answered -D 7 < message
                                         one answer per sender and week, by sendmail
  mailbot -m away.mime -N -s Away -n < message        show an answer that quotes nothing
  mailbot -t note -M me@example.com sendmail -t -f '' < message    say that it was delivered
  mailbot -t note -T forwardatt -A 'To: boss@example.com' sendmail -t < message
  mailbot -t note -T feedback -R abuse -A 'To: abuse@example.net' sendmail -t < message
"""

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

Text = str | None


@app.command(epilog=EXAMPLES)
def mailbot(
    text_file: Annotated[Text, typer.Option("-t", metavar="FILE", help="The text, flowed.")] = None,
    mime_file: Annotated[
        Text, typer.Option("-m", metavar="FILE", help="The text, with MIME fields before it.")
    ] = None,
    charset: Annotated[
        Text, typer.Option("-c", metavar="CHARSET", help="Of the text and the answer [utf-8].")
    ] = None,
    format_name: Annotated[
        Text,
        typer.Option(
            "-T",
            metavar="FORMAT",
            help="reply, replyall, replylist, replydsn, replydraft, forward, forwardatt, "
            "feedback or replyfeedback [reply].",
        ),
    ] = None,
    dsn_recipient: Annotated[
        Text, typer.Option("-M", metavar="ADDRESS", help="Answer by a delivery report of ADDRESS.")
    ] = None,
    feedback_type: Annotated[
        Text, typer.Option("-R", metavar="TYPE", help="Feedback: abuse, fraud, virus or other.")
    ] = None,
    full_message: Annotated[
        bool, typer.Option("-a", help="Reports return the whole message, not only its header.")
    ] = False,
    no_quote: Annotated[bool, typer.Option("-N", help="Do not quote the message.")] = False,
    envelope: Annotated[
        bool, typer.Option("-e", help="Answer to Errors-To or Return-Path.")
    ] = False,
    salutation: Annotated[
        Text, typer.Option("-S", metavar="TEXT", help="The line above what is quoted [%F writes:].")
    ] = None,
    separator: Annotated[
        Text, typer.Option("-F", metavar="TEXT", help="The line above what is forwarded.")
    ] = None,
    subject: Annotated[Text, typer.Option("-s", metavar="TEXT", help="The subject.")] = None,
    fields: Annotated[
        list[str] | None, typer.Option("-A", metavar="'H: V'", help="Add a header field.")
    ] = None,
    recipients: Annotated[
        Text,
        typer.Option("-r", metavar="A,B", help="Answer only what has one of them in To or Cc."),
    ] = None,
    history: Annotated[
        Text, typer.Option("-d", metavar="FILE", help="Remember in FILE.lmdb who was answered.")
    ] = None,
    days: Annotated[
        Text, typer.Option("-D", metavar="DAYS", help="With -d: no second answer for DAYS [1].")
    ] = None,
    sender: Annotated[
        Text,
        typer.Option("-f", metavar="[ADDRESS]", help="Who is answered, glued; alone: $SENDER."),
    ] = None,
    drafts: Annotated[
        Text,
        typer.Option("-l", metavar="MAILDIR", help="replydraft: its newest message is the text."),
    ] = None,
    print_only: Annotated[
        bool, typer.Option("-n", help="Write the answer to standard output.")
    ] = False,
    no_safety: Annotated[
        bool,
        typer.Option(
            "--no-safety",
            help="Heed only reports, Precedence, Auto-Submitted and List-Id.",
        ),
    ] = False,
    program: Annotated[list[str] | None, typer.Argument(metavar="[PROGRAM]...")] = None,
) -> None:
    """Answer a message, if a program may answer it."""
