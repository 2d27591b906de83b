# The leaderboard: it loads no model. docs/deploy.md says how to build and run it.
FROM python:3.11-slim@sha256:9c900dea9e8fb7e16277c179b555cc72d29a352dbc33cff48ad5a0412fd5bfc7

RUN useradd --create-home --uid 1000 panglot && install --directory --owner=panglot /inbox

COPY pyproject.toml setup.py constraints.txt README.md LICENSE /source/
COPY suite /source/suite
COPY tasks /source/tasks
COPY leaderboard_app /source/leaderboard_app
RUN pip install --no-cache-dir --constraint /source/constraints.txt "/source[board]" && rm -r /source

WORKDIR /board
COPY submissions submissions

USER panglot
ENV PANGLOT_INBOX=/inbox OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
VOLUME /inbox
EXPOSE 8501
HEALTHCHECK CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5)"]
CMD ["panglot", "board", "submissions", "--address", "0.0.0.0", "--port", "8501"]
