import asyncio
import datetime
import email.utils
import io
import logging
import os
import pathlib
import random
import secrets
import socket
import sys
import threading
import time
import traceback
import uuid

from oriel_extension import program

HERE = [asyncio, datetime, email, io, logging, os, pathlib, random, secrets, socket, sys, threading, time, traceback, uuid]


@program
def ask(question: str) -> str:
    try:
        return str(eval(question))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@program
def stumble(_: object) -> str:
    try:
        return {}["nothing"]
    except KeyError:
        logging.getLogger("legs").exception("stumbled")
        return traceback.format_exc()


@program
def run(statement: str) -> None:
    exec(statement)
