"""Curvature of the loss in input space: the Hessian as an operator, its whole spectrum, its extremes, its trace."""

from advcore.curvature.eigenprofile import Eigenprofile, eigenprofile
from advcore.curvature.gauss_newton import GaussNewton, gauss_newton
from advcore.curvature.hessian import InputHessian
from advcore.curvature.lanczos import Eigenpairs, lanczos
from advcore.curvature.trace import hutchinson

__all__ = ["Eigenpairs", "Eigenprofile", "GaussNewton", "InputHessian", "eigenprofile", "gauss_newton", "hutchinson", "lanczos"]
