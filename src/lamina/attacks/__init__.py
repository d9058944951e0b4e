"""Attacks on a model: how little must an input change to change the answer?"""
