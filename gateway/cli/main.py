"""The command ``gateway``. Parts are imported when their command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import cameras, database, tables, users, weights
from gateway.cli.running import console, load_settings, run
from gateway.clock import system_clock
from models.cli.main import app as models_app

app = typer.Typer(
    help="视频与会商网关 Video and conference gateway.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command()
def serve() -> None:
    """启动服务 Run the service until it is told to end (SIGTERM or Ctrl-C)."""
    from gateway.workers.control.service import serve as run_service

    run(run_service(load_settings()))


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP 端口 HTTP port.")] = 8000,
    folder: Annotated[Path, typer.Option(help="演示数据目录 Folder of the demo's data.")] = Path("var/demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="清除历次记录 Forget earlier runs.")] = False,
    footage: Annotated[
        Path | None, typer.Option(help="播放该目录中的视频 Show the films of this folder instead of drawn scenes.")
    ] = None,
) -> None:
    """运行演示 Run the whole chain with virtual cameras on this machine."""
    from gateway.workers.demo.run import run_demo

    run(run_demo(port=port, folder=folder, fresh=fresh, footage=footage))


@app.command("settings")
def print_settings() -> None:
    """列出全部设置 Every setting with its first value and meaning."""
    from gateway.settings_page import settings_page

    typer.echo(settings_page(), nl=False)


@app.command()
def tls(
    names: Annotated[list[str], typer.Argument(help="服务器地址或主机名 Addresses or names of this server.")],
    folder: Annotated[Path, typer.Option(help="目录 Folder.")] = Path("keys"),
) -> None:
    """生成证书 Make a certificate authority of one's own and a server certificate by it."""
    from gateway.certificates import make_certificates

    async def work() -> None:
        made = make_certificates(folder.absolute(), tuple(names), system_clock())
        console.print(f"GATEWAY_HTTP__CERTIFICATE={made.certificate}", markup=False)
        console.print(f"GATEWAY_HTTP__PRIVATE_KEY={made.private_key}", markup=False)
        console.print(f"请在各席位安装 Install on every seat: {made.authority}", markup=False)

    run(work())


app.add_typer(tables.app, name="tables")
app.add_typer(users.app, name="users")
app.add_typer(database.app, name="db")
app.add_typer(cameras.app, name="cameras")
app.add_typer(models_app, name="models")
app.command("try")(weights.try_rules_on)
app.command("shadow")(weights.show_shadow)
app.command("promote")(weights.promote_weights)
app.command("feedback")(weights.export_feedback_to)
