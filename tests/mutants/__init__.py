"""Mistakes that somebody might make in the saga, each made on purpose, and each noticed."""
