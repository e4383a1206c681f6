"""Stands in for the client with which this suite starts RabbitMQ in a container: the broker runs already."""

from dataclasses import dataclass


class DockerNotAvailableError(Exception):
    """Never raised: no container is needed."""


@dataclass
class DockerHostInfo:
    container_host: str = "127.0.0.1"


@dataclass
class ContainerInfo:
    id: str
    ports: dict[str, int]
    host: str


def check_docker_available() -> DockerHostInfo:
    return DockerHostInfo()


class DockerClient:
    def __init__(self, host: DockerHostInfo | None = None) -> None:
        self.host = host or DockerHostInfo()

    def run(self, image: str, ports: list[str], environment: dict[str, str] | None = None) -> ContainerInfo:
        return ContainerInfo(image, {port: int(port.partition("/")[0]) for port in ports}, self.host.container_host)

    def kill(self, container_id: str) -> None:
        """The broker belongs to the runner, which stops it."""

    def remove(self, container_id: str) -> None:
        """There is nothing to remove."""
