#!/bin/sh
# What a program is told of its visitor: the variables that it gets, sorted.
env | sort
